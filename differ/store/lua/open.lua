#!lua flags=allow-oom
-- Makes the consumer group of a ready stream where it is missing, from the first entry on, and takes a consumer
-- into it: Redis 7.0 would know of it only once there is an entry for it. A full Redis takes both, too: judging is
-- what makes room there.
--
-- KEYS[1] ready stream
-- ARGV[1] consumer group   ARGV[2] consumer

local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
return redis.call('XGROUP', 'CREATECONSUMER', KEYS[1], ARGV[1], ARGV[2])
