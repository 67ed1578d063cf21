#!lua flags=allow-oom
-- Lists a service, or a candidate of one, by when it was last seen. A full Redis takes it, too, as in register.
--
-- KEYS[1] sorted set
-- ARGV[1] TTL, s   ARGV[2] when, Unix time in microseconds   ARGV[3] the member

redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[1])
