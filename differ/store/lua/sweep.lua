-- Hands on what has waited in vain, each once.
--
-- KEYS[1] due list   KEYS[2] ready stream
-- ARGV[1] how many entries to look at, at most   ARGV[2] how long an expired key is remembered, ms
--
-- Returns { entries taken from the due list, responses handed on as alone }. Fewer entries than
-- ARGV[1] means that nothing more is due now.
--
-- A due entry is "<deadline ms> <role><id, 12 bytes><half key>"; the layout of a half key is told
-- in the pairing script. An entry whose capture has been paired or replaced in the meantime lapses.

local due, ready = KEYS[1], KEYS[2]
local ID = 12
local call = redis.call

local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local looked, alone = 0, 0

while looked < tonumber(ARGV[1]) do
  local entry = call('LINDEX', due, 0)
  if not entry then break end
  local blank = string.find(entry, ' ', 1, true)
  if tonumber(string.sub(entry, 1, blank - 1)) > now then break end
  call('LPOP', due)
  looked = looked + 1
  local role = string.sub(entry, blank + 1, blank + 1)
  local id = string.sub(entry, blank + 2, blank + 1 + ID)
  local key = string.sub(entry, blank + 2 + ID)
  if role == 'c' then
    local control_key = string.gsub(key, ':half:', ':control:', 1)
    local held = call('GET', control_key)
    if held and string.sub(held, 1, ID) == id then
      call('DEL', control_key)
      call('XADD', ready, '*', 'k', 'X', 'c', string.sub(held, ID + 1))
      alone = alone + 1
    end
  else
    local half = call('GET', key)
    if half and string.sub(half, 1, 1) == 'W' then
      local rest = 4 + ID * string.byte(half, 3)
      -- From the attempt to the last id: what the key keeps whatever becomes of its capture.
      local known = string.sub(half, 2, rest - 1)
      if string.sub(half, rest + 2, rest + 1 + ID) == id then
        call('XADD', ready, '*', 'k', 'X', role, string.sub(half, rest + 2 + ID))
        alone = alone + 1
        local queue = string.gsub(key, ':half:', ':queue:', 1)
        local follower = string.sub(half, rest + 1, rest + 1) == 'a' and call('LPOP', queue)
        if follower then
          -- It came while the first waited, so its time is up very soon too.
          local successor = cmsgpack.unpack(follower)
          call('SET', key, 'W' .. known .. role .. 'a' .. successor[1] .. successor[2], 'PX', 300000)
          call('RPUSH', due, string.format('%d ', now) .. role .. successor[1] .. key)
        else
          call('SET', key, 'E' .. known .. role, 'PX', ARGV[2])
        end
      end
    end
  end
end

return { looked, alone }
