-- Copies a response as it passes and leaves the copy in dynamic metadata, from where the gRPC access
-- logger ships it. Nothing is buffered or delayed: bodyChunks() hands over each chunk on its way.
-- Of a request it copies the head of the body, and only where that is needed to tell one from another:
-- where there is a body and no x-mirrordiff-pair.
--
-- Namespace "mirrordiff":
--   response           base64 of  "1" CRLF header lines CRLF CRLF trailer lines CRLF CRLF body
--                      where lines are "name: value" joined by CRLF, ":status" is one of the headers,
--                      and the body ends at BODY_CAP
--   body_size          decimal; length of the whole body, however much of it was kept
--   headers_truncated  "true" where headers or trailers were longer than HEADERS_CAP and lost their rest
--   request            base64 of the request's body, of which it has the first HASHED bytes at least
--   request_size       decimal; length of that whole body. Both are missing where the body did not come to
--                      its end, and for an upgraded connection, whose bytes are no body
--
-- Base64, because one byte that is not UTF-8 makes a strict reader refuse the whole batch of log
-- entries it came in. Headers, because an access logger ships only names that it was told in advance.

local BODY_CAP = 262144
local HEADERS_CAP = 65536
-- What a reader hashes of a request's body, with its length: there is no hash in here.
local HASHED = 65536
-- Whether requests' bodies are shipped to be kept, up to BODY_CAP, whatever they are paired by.
local REQUEST_BODIES = false

-- The lines of a header map that fit into `room` bytes, the room left, and whether all of them fitted.
-- Runs to the end in any case: Envoy allows a map no second iterator while a first is unfinished.
local function lines(map, room)
  local kept, whole = {}, true
  for name, value in pairs(map) do
    local line = name .. ": " .. value
    room = room - #line - 2
    if room >= 0 then
      kept[#kept + 1] = line
    else
      room, whole = 0, false
    end
  end
  return table.concat(kept, "\r\n"), room, whole
end

-- The first `room` bytes of a body, and the length of all of it, once it has passed.
local function copied(handle, room)
  local parts, size = {}, 0
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    local take = math.min(length, room)
    if take > 0 then
      parts[#parts + 1] = chunk:getBytes(0, take)
      room = room - take
    end
    size = size + length
  end
  return table.concat(parts), size
end

local function ship(handle, name, value)
  handle:streamInfo():dynamicMetadata():set("mirrordiff", name, value)
end

local function capture_request(handle)
  local headers = handle:headers()
  if headers:get("x-mirrordiff-pair") ~= nil and not REQUEST_BODIES then
    return
  end
  if headers:get("upgrade") ~= nil or headers:get(":method") == "CONNECT" then
    return
  end
  local body, size = copied(handle, REQUEST_BODIES and BODY_CAP > HASHED and BODY_CAP or HASHED)
  if size > 0 then
    ship(handle, "request", handle:base64Escape(body))
    ship(handle, "request_size", string.format("%.0f", size))
  end
end

local function capture(handle)
  local headers = handle:headers()
  local status = headers:get(":status")
  local header_block, room, whole = lines(headers, HEADERS_CAP)

  local body, size = "", 0
  local trailer_block = ""
  -- After 101 what follows is another protocol: there is no body, and no end to wait for.
  if status ~= "101" then
    body, size = copied(handle, BODY_CAP)
    local trailers = handle:trailers()
    if trailers ~= nil then
      local fitted
      trailer_block, room, fitted = lines(trailers, room)
      whole = whole and fitted
    end
  end

  local text = table.concat({ "1\r\n", header_block, "\r\n\r\n", trailer_block, "\r\n\r\n", body })
  ship(handle, "response", handle:base64Escape(text))
  ship(handle, "body_size", string.format("%.0f", size))
  if not whole then
    ship(handle, "headers_truncated", "true")
  end
end

function envoy_on_request(handle)
  pcall(capture_request, handle)
end

function envoy_on_response(handle)
  -- A fault in here must cost the copy and never the response. The collector counts what came without one.
  pcall(capture, handle)
end
