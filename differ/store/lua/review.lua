-- Keeps the rule of a review, where there is room for one more. Called again with the same, it changes nothing.
--
-- KEYS[1] rules hash
-- ARGV[1] id of the rule   ARGV[2] the review   ARGV[3] most reviews
--
-- Returns 1 where it is kept, 0 where there are as many as there may be.

if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
