-- Acknowledges judged entries of one ready stream and counts them, each exactly once: only where
-- XACK says that the entry was still owed does its part of the tally move.
--
-- KEYS[1] ready stream   KEYS[2..] tally keys
-- ARGV[1] consumer group
-- ARGV[2] most distinct names in one tally; a name beyond it is counted under its fold
-- ARGV[3] TTL of a tally, s
-- ARGV[4] cmsgpack of { names, folds, entries }:
--   names    every counter name in use here      folds  for each name the one to fold it into, or ""
--   entries  { entry id, index of its tally key in KEYS or 0, index of name, amount, index, amount, … }
--
-- Returns the ids that this call acknowledged.

local call = redis.call
local batch = cmsgpack.unpack(ARGV[4])
local names, folds, entries = batch[1], batch[2], batch[3]
local most = tonumber(ARGV[2])
local sums, acknowledged = {}, {}

for _, entry in ipairs(entries) do
  if call('XACK', KEYS[1], ARGV[1], entry[1]) == 1 then
    acknowledged[#acknowledged + 1] = entry[1]
    if entry[2] > 0 then
      local sum = sums[entry[2]]
      if not sum then
        sum = {}
        sums[entry[2]] = sum
      end
      for at = 3, #entry, 2 do
        sum[entry[at]] = (sum[entry[at]] or 0) + entry[at + 1]
      end
    end
  end
end

if #acknowledged > 0 then call('XDEL', KEYS[1], unpack(acknowledged)) end

for index, sum in pairs(sums) do
  local tally = KEYS[index]
  local room = most - call('HLEN', tally)
  for at, amount in pairs(sum) do
    local name = names[at]
    if folds[at] ~= '' and room <= 0 and call('HEXISTS', tally, name) == 0 then name = folds[at] end
    if call('HINCRBY', tally, name, amount) == amount then room = room - 1 end
  end
  call('EXPIRE', tally, ARGV[3])
end

return acknowledged
