-- Copies a response as it passes and leaves the copy in dynamic metadata, from where the gRPC access
-- logger ships it. Nothing is buffered or delayed: bodyChunks() hands over each chunk on its way.
--
-- Namespace "mirrordiff":
--   response           base64 of  "1" CRLF header lines CRLF CRLF trailer lines CRLF CRLF body
--                      where lines are "name: value" joined by CRLF, ":status" is one of the headers,
--                      and the body ends at BODY_CAP
--   body_size          decimal; length of the whole body, however much of it was kept
--   headers_truncated  "true" where headers or trailers were longer than HEADERS_CAP and lost their rest
--
-- Base64, because one byte that is not UTF-8 makes a strict reader refuse the whole batch of log
-- entries it came in. Headers, because an access logger ships only names that it was told in advance.

local BODY_CAP = 262144
local HEADERS_CAP = 65536

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

local function capture(handle)
  local headers = handle:headers()
  local status = headers:get(":status")
  local header_block, room, whole = lines(headers, HEADERS_CAP)

  local body, kept, size = {}, 0, 0
  local trailer_block = ""
  -- After 101 what follows is another protocol: there is no body, and no end to wait for.
  if status ~= "101" then
    for chunk in handle:bodyChunks() do
      local length = chunk:length()
      local take = math.min(length, BODY_CAP - kept)
      if take > 0 then
        body[#body + 1] = chunk:getBytes(0, take)
        kept = kept + take
      end
      size = size + length
    end
    local trailers = handle:trailers()
    if trailers ~= nil then
      local fitted
      trailer_block, room, fitted = lines(trailers, room)
      whole = whole and fitted
    end
  end

  local text = table.concat({ "1\r\n", header_block, "\r\n\r\n", trailer_block, "\r\n\r\n", table.concat(body) })
  local metadata = handle:streamInfo():dynamicMetadata()
  metadata:set("mirrordiff", "response", handle:base64Escape(text))
  metadata:set("mirrordiff", "body_size", string.format("%.0f", size))
  if not whole then
    metadata:set("mirrordiff", "headers_truncated", "true")
  end
end

function envoy_on_response(handle)
  -- A fault in here must cost the copy and never the response. The collector counts what came without one.
  pcall(capture, handle)
end
