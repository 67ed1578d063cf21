-- Keeps the first decision of a gate. FAIL replaces PASS, and a decision by another policy, or with
-- another noise profile, is no decision any more. Called again with the same, it changes nothing.
--
-- KEYS[1] verdict hash
-- ARGV[1] field   ARGV[2] decision, a JSON object   ARGV[3] its "verdict"   ARGV[4] its "policy_id"
-- ARGV[5] its "profile_us", empty for none   ARGV[6] TTL, s
--
-- Returns the decision that stands.

local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept then
  local readable, before = pcall(cjson.decode, kept)
  local comparable = readable and before['policy_id'] == ARGV[4]
  -- JSON's null is neither a number nor nil here.
  local profile = comparable and type(before['profile_us']) == 'number' and before['profile_us'] or nil
  if comparable and profile == tonumber(ARGV[5]) and (before['verdict'] == 'FAIL' or ARGV[3] == 'PASS') then return kept end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[6])
return ARGV[2]
