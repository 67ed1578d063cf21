-- Keeps a judged pair as an example of the signatures that have none yet in this partition.
--
-- KEYS[1] examples of the session   KEYS[2] the diff
-- ARGV[1] id of the diff   ARGV[2] its document   ARGV[3] TTL, s
-- ARGV[4] what the key of any diff of this session starts with
-- ARGV[5..] ids of its signatures
--
-- Returns how many signatures it is kept for. An example that has expired gives way to a new one.

local call = redis.call
local wanted = 0

for index = 5, #ARGV do
  local held = call('HGET', KEYS[1], ARGV[index])
  if held == ARGV[1] or not held or call('EXISTS', ARGV[4] .. held) == 0 then
    call('HSET', KEYS[1], ARGV[index], ARGV[1])
    wanted = wanted + 1
  end
end

if wanted > 0 then
  call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
  call('EXPIRE', KEYS[1], ARGV[3])
end

return wanted
