-- Acknowledges judged entries of one ready stream and counts them, each exactly once: only where
-- XACK says that the entry was still owed do its parts of the tally and of the trend move.
--
-- KEYS[1] ready stream   KEYS[2..n+1] tally keys   KEYS[n+2..2n+1] the trend keys beside them
-- ARGV[1] consumer group
-- ARGV[2] most distinct names in one tally; a name beyond it is counted under its fold
-- ARGV[3] TTL of a tally and of a trend, s
-- ARGV[4] the name that counts changes of a tally
-- ARGV[5] cmsgpack of { names, folds, entries }:
--   names    every counter name in use here      folds  for each name the one to fold it into, or ""
--   entries  { entry id, index of its tally key in KEYS or 0, index of name, amount, index, amount, … }
-- ARGV[6] most names in one trend; beyond it buckets are joined two by two
-- ARGV[7] fewest buckets to join; of fewer, names are joined
--
-- A name "w\t<second>\t<endpoint>\t<what>" goes to the trend, as "<second >> grain>\t<endpoint>\t<what>"
-- with the trend's own field "grain"; every other name goes to the tally as it is.
--
-- Returns the ids that this call acknowledged.

local call = redis.call
local batch = cmsgpack.unpack(ARGV[5])
local names, folds, entries = batch[1], batch[2], batch[3]
local most = tonumber(ARGV[2])
local most_in_trend, fewest_buckets = tonumber(ARGV[6]), tonumber(ARGV[7])
local pairs_of_keys = (#KEYS - 1) / 2
local sums, acknowledged = {}, {}

-- The counts under other names; what meets under one is added.
local function renamed(counts, rename)
  local found, size, buckets, seen = {}, 0, 0, {}
  for name, amount in pairs(counts) do
    local bucket, endpoint, what = string.match(name, '^(%d+)\t([^\t]*)\t([^\t]*)$')
    bucket, endpoint, what = rename(tonumber(bucket), endpoint, what)
    if not seen[bucket] then
      seen[bucket], buckets = true, buckets + 1
    end
    name = string.format('%d\t%s\t%s', bucket, endpoint, what)
    if not found[name] then size = size + 1 end
    found[name] = (found[name] or 0) + amount
  end
  return found, size, buckets
end

local function joined(bucket, endpoint, what) return math.floor(bucket / 2), endpoint, what end
local function same(bucket, endpoint, what) return bucket, endpoint, what end
local function without_fields(bucket, endpoint, what) return bucket, endpoint, endpoint == '' and what or 'many' end
local function without_endpoint(bucket, endpoint, what) return bucket, '', endpoint == '' and what or 'many' end

local function narrow(trend, grain)
  local rows, counts = call('HGETALL', trend), {}
  for at = 1, #rows, 2 do
    if rows[at] ~= 'grain' then counts[rows[at]] = tonumber(rows[at + 1]) end
  end
  local size, buckets
  counts, size, buckets = renamed(counts, same)
  while size > most_in_trend and buckets > fewest_buckets do
    grain = grain + 1
    counts, size, buckets = renamed(counts, joined)
  end
  if size > most_in_trend then counts, size = renamed(counts, without_fields) end
  if size > most_in_trend then counts = renamed(counts, without_endpoint) end
  call('DEL', trend)
  call('HSET', trend, 'grain', grain)
  for name, amount in pairs(counts) do call('HSET', trend, name, amount) end
end

local function count_in_trend(trend, counts)
  local grain = tonumber(call('HGET', trend, 'grain') or 0)
  for name, amount in pairs(counts) do
    local second, rest = string.match(name, '^w\t(%d+)(.*)$')
    call('HINCRBY', trend, string.format('%d', math.floor(tonumber(second) / 2 ^ grain)) .. rest, amount)
  end
  if call('HLEN', trend) > most_in_trend + 1 then narrow(trend, grain) end
  call('EXPIRE', trend, ARGV[3])
end

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
  local tally, in_trend = KEYS[index], {}
  local room = most - call('HLEN', tally)
  for at, amount in pairs(sum) do
    local name = names[at]
    if string.byte(name, 1) == 119 and string.byte(name, 2) == 9 then -- "w\t"
      in_trend[name] = amount
    else
      if folds[at] ~= '' and room <= 0 and call('HEXISTS', tally, name) == 0 then name = folds[at] end
      if call('HINCRBY', tally, name, amount) == amount then room = room - 1 end
    end
  end
  call('HINCRBY', tally, ARGV[4], 1)
  call('EXPIRE', tally, ARGV[3])
  if next(in_trend) then count_in_trend(KEYS[index + pairs_of_keys], in_trend) end
end

return acknowledged
