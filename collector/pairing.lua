-- Brings the responses to one mirrored request together. One call takes many captures of one
-- partition; each is handled by itself, and a capture seen before changes nothing.
--
-- KEYS[1] ready stream   KEYS[2] due list   KEYS[3] control-seen
-- KEYS[4..] one half key a capture
--
-- ARGV[1] how long a half waits, ms   ARGV[2] how long a finished pair is remembered, ms
-- ARGV[3] entries the ready stream may hold
-- then four a capture:
--   role      "p" primary, "s" shadow, "c" control
--   id        12 bytes, unique to the capture
--   attempt   which attempt of the request this was, "0" where unknown
--   record    the capture itself
--
-- Returns how many captures were
--   1 waiting     kept until the twin comes
--   2 paired      the second half of a pair (the first half was "waiting" before)
--   3 duplicate   seen before; nothing changed
--   4 superseded  in place of, or after, another attempt of the same request
--   5 control     a control's response, kept or handed on
--   6 late        second half of a pair whose first half has expired alone
--   7 refused     not kept, because the ready stream is full
-- and 8, the length of the ready stream.
--
-- A half key holds: state, attempt, number of ids, the ids seen (12 bytes each, newest last), rest.
--   attempt: the highest that is known of the primary, a byte
--   state "W": a capture waits; rest = role, mark, id, record; mark "a" where the key was used by
--              more than one request, else "-"
--   state "D": the pair is done; no rest
--   state "E": what waited has expired alone; rest = role
--
-- A ready entry has a field k, what it is:
--   "P" pair   "A" pair under a key that more than one request used
--   "C" pair handed on before, now with its control   "L" alone because its twin had expired
--   (the sweep adds "X", expired alone)
-- and the records: p primary, s shadow, c control.

local ready, due, control_seen = KEYS[1], KEYS[2], KEYS[3]
local wait_ms, remember_ms, limit = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local ID, MOST_IDS = 12, 8
local call = redis.call

local clock = call('TIME')
local deadline = string.format('%d ', clock[1] * 1000 + math.floor(clock[2] / 1000) + wait_ms)
-- A half outlives its deadline, so that whoever sweeps the due list still finds and counts it.
local keep_ms = wait_ms + 300000
local length = call('XLEN', ready)
local with_control = call('EXISTS', control_seen) == 1
local waiting, paired, duplicate, superseded, control, late, refused = 0, 0, 0, 0, 0, 0, 0

local function sibling(half_key, family)
  return (string.gsub(half_key, ':half:', ':' .. family .. ':', 1))
end

local function seen(ids, id)
  for at = 1, #ids, ID do
    if string.sub(ids, at, at + ID - 1) == id then return true end
  end
  return false
end

local function put(key, state, top, ids, rest, ttl)
  if #ids > ID * MOST_IDS then ids = string.sub(ids, -ID * MOST_IDS) end
  call('SET', key, state .. string.char(top, #ids / ID) .. ids .. rest, 'PX', ttl)
end

local function wait(key, top, ids, role, mark, id, record)
  put(key, 'W', top, ids, role .. mark .. id .. record, keep_ms)
  call('RPUSH', due, deadline .. role .. id .. key)
end

local function hand_on(...)
  call('XADD', ready, '*', ...)
  length = length + 1
end

-- A pair never waits for a control. One that is already here goes with it; one that comes later
-- finds the pair under "complete" and is handed on after it.
local function hand_on_pair(key, kind, primary, shadow)
  local control_key = with_control and sibling(key, 'control')
  local held = with_control and call('GET', control_key)
  if held then
    call('DEL', control_key)
    hand_on('k', kind, 'p', primary, 's', shadow, 'c', string.sub(held, ID + 1))
  else
    hand_on('k', kind, 'p', primary, 's', shadow)
    if with_control then
      call('SET', sibling(key, 'complete'), cmsgpack.pack({ primary, shadow }), 'PX', wait_ms)
    end
  end
end

local function take_control(key, id, record)
  call('SET', control_seen, '1', 'PX', 600000)
  with_control = true
  local half = call('GET', key)
  local state, top, ids = 'D', 0, ''
  if half then
    state, top, ids = string.sub(half, 1, 1), string.byte(half, 2), string.sub(half, 4, 3 + ID * string.byte(half, 3))
  end
  local control_key, complete_key = sibling(key, 'control'), sibling(key, 'complete')
  if seen(ids, id) or call('GETRANGE', control_key, 0, ID - 1) == id then
    duplicate = duplicate + 1
    return
  end
  control = control + 1
  local complete = call('GET', complete_key)
  if complete then
    call('DEL', complete_key)
    local pair = cmsgpack.unpack(complete)
    hand_on('k', 'C', 'p', pair[1], 's', pair[2], 'c', record)
    if state == 'D' then put(key, 'D', top, ids .. id, '', remember_ms) end
  else
    call('SET', control_key, id .. record, 'PX', keep_ms)
    call('RPUSH', due, deadline .. 'c' .. id .. key)
  end
end

local function take(key, role, id, attempt, record)
  attempt = role == 'p' and math.min(tonumber(attempt) or 0, 127) or 0
  local half = call('GET', key)
  if not half then
    waiting = waiting + 1
    return wait(key, attempt, id, role, '-', id, record)
  end
  local state, top, rest = string.sub(half, 1, 1), string.byte(half, 2), 4 + ID * string.byte(half, 3)
  local ids = string.sub(half, 4, rest - 1)
  if seen(ids, id) then
    duplicate = duplicate + 1
    return
  end
  ids = ids .. id
  local other_role = string.sub(half, rest, rest)
  -- Attempts of one request arrive in any order. The same attempt twice is another request.
  local retry, outdated = attempt > 1, attempt > 0 and attempt < top
  local higher = math.max(top, attempt)

  if state == 'W' and other_role ~= role then
    local mark, other = string.sub(half, rest + 1, rest + 1), string.sub(half, rest + 2 + ID)
    local kind = mark == 'a' and 'A' or 'P'
    if role == 'p' then hand_on_pair(key, kind, record, other) else hand_on_pair(key, kind, other, record) end
    paired = paired + 1
    local follower = mark == 'a' and call('LPOP', sibling(key, 'queue'))
    if follower then
      local successor = cmsgpack.unpack(follower)
      wait(key, 0, ids, other_role, 'a', successor[1], successor[2])
    else
      put(key, 'D', higher, ids, '', remember_ms)
    end
  elseif outdated then
    superseded = superseded + 1
    put(key, state, top, ids, string.sub(half, rest), state == 'W' and keep_ms or remember_ms)
  elseif state == 'W' and retry and attempt > top then
    -- The last attempt counts. The due entry of the one before finds another id, and lapses.
    superseded = superseded + 1
    wait(key, attempt, ids, role, string.sub(half, rest + 1, rest + 1), id, record)
  elseif state == 'W' then
    local queue = sibling(key, 'queue')
    call('RPUSH', queue, cmsgpack.pack({ id, record }))
    call('PEXPIRE', queue, keep_ms)
    put(key, 'W', top, ids, role .. 'a' .. string.sub(half, rest + 2), keep_ms)
    waiting = waiting + 1
  elseif state == 'E' and other_role ~= role then
    -- Its twin has been counted alone already: waiting again could only end the same way.
    hand_on('k', 'L', role, record)
    put(key, 'D', higher, ids, '', remember_ms)
    late = late + 1
  elseif retry then
    put(key, 'D', higher, ids, '', remember_ms)
    superseded = superseded + 1
  else
    waiting = waiting + 1
    wait(key, attempt, ids, role, 'a', id, record)
  end
end

local at = 4
for index = 4, #KEYS do
  local role, id, attempt, record = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  at = at + 4
  if length >= limit then
    refused = refused + 1
  elseif role == 'c' then
    take_control(KEYS[index], id, record)
  else
    take(KEYS[index], role, id, attempt, record)
  end
end

return { waiting, paired, duplicate, superseded, control, late, refused, length }
