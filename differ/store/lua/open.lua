#!lua flags=allow-oom
-- Makes the consumer group of a ready stream where it is missing, from the first entry on. A full Redis takes it,
-- too: judging is what makes room there.
--
-- KEYS[1] ready stream
-- ARGV[1] consumer group
--
-- Returns 1 where the group was made, 0 where it was there.

local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if not made.err then return 1 end
if string.find(made.err, 'BUSYGROUP', 1, true) then return 0 end
return made
