#!lua flags=allow-oom
-- Notes what belongs to a session. A full Redis takes it, too: it is small, and nothing is settled before it.
--
-- KEYS[1] session hash
-- ARGV[1] TTL, s   ARGV[2] how many fields are set anew; those after them keep what they have
-- ARGV[3..] field, value, …

local anew = 2 + 2 * tonumber(ARGV[2])
for at = 3, #ARGV, 2 do
  redis.call(at < anew and 'HSET' or 'HSETNX', KEYS[1], ARGV[at], ARGV[at + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
