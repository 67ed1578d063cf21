-- Keeps a judged pair as an example of the signatures that have none yet in this partition.
--
-- KEYS[1] examples of the session   KEYS[2] the diff   KEYS[3] the list of kept diffs
-- ARGV[1] id of the diff   ARGV[2] its document   ARGV[3] its line in the list, the id and a line feed first
-- ARGV[4] what the key of any diff of this session starts with
-- ARGV[5] TTL, s   ARGV[6] most diffs kept of this session in this partition
-- ARGV[7..] ids of its signatures
--
-- Returns for how many signatures it is kept. An example that has expired gives way to a new one.

local call = redis.call
local wanted = {}

for index = 7, #ARGV do
  local held = call('HGET', KEYS[1], ARGV[index])
  if held == ARGV[1] or not held or call('EXISTS', ARGV[4] .. held) == 0 then wanted[#wanted + 1] = ARGV[index] end
end
if #wanted == 0 then return 0 end

-- A few at a time: each call adds one at most, so that the list never grows by what has expired.
for _ = 1, 8 do
  local oldest = call('ZRANGE', KEYS[3], 0, 0)[1]
  if not oldest or call('EXISTS', ARGV[4] .. string.match(oldest, '^[^\n]*')) == 1 then break end
  call('ZREM', KEYS[3], oldest)
end
-- A pair that is judged once more, by other rules perhaps, stays in the list as it is.
local listed = call('EXISTS', KEYS[2]) == 1
if not listed and call('ZCARD', KEYS[3]) >= tonumber(ARGV[6]) then return 0 end

for _, signature in ipairs(wanted) do call('HSET', KEYS[1], signature, ARGV[1]) end
call('SET', KEYS[2], ARGV[2], 'EX', ARGV[5])
if not listed then call('ZADD', KEYS[3], 0, ARGV[3]) end
call('EXPIRE', KEYS[1], ARGV[5])
call('EXPIRE', KEYS[3], ARGV[5])
return #wanted
