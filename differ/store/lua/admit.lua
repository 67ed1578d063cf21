#!lua flags=allow-oom
-- Takes endpoints into the set of a session as long as there is room: all workers ask here, so that
-- together they keep to one bound. Called again with the same, it changes nothing. A full Redis takes them, too:
-- nothing is settled before them.
--
-- KEYS[1] endpoints of the session
-- ARGV[1] most of them   ARGV[2] TTL, s   ARGV[3..] endpoints
--
-- Returns the whole set once it is full, and nothing while there is room.

local call = redis.call
local room = tonumber(ARGV[1]) - call('SCARD', KEYS[1])
for at = 3, #ARGV do
  if room > 0 then room = room - call('SADD', KEYS[1], ARGV[at]) end
end
call('EXPIRE', KEYS[1], ARGV[2])
if room > 0 then return {} end
return call('SMEMBERS', KEYS[1])
