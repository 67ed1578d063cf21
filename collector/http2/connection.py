"""One client's connection: bytes in, frames out of them, and what goes back.

What a client may send is understood, or refused as RFC 9113 says. A client that means harm has what it
sends read at the price of reading it and no more: a stream that it resets is forgotten at once, blocks
have a size and a number of frames, and one that does not read what it makes us say is let go.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from collector.http2.blocks import LARGEST_LIST, Blocks
from collector.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    DEFAULT_WINDOW,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEAD,
    HEAD_BYTES,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    NO_ERROR,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    ConnectionFault,
    StreamFault,
    frame,
    number,
    settings,
    unpadded,
)
from collector.http2.lag import Lag
from collector.http2.streams import MOST_STREAMS, STREAM_WINDOW, Accept, Streams

CONNECTION_WINDOW: Final = 8 * STREAM_WINDOW
"""Bytes a client may send ahead of us, on all streams together."""

MOST_CONTINUED: Final = 16
"""Frames that a header block may be cut into beyond the first."""

MOST_UNREAD: Final = 1024 * 1024
"""Bytes of our answers that a client may leave unread before it is taken to be none."""

GREETING_S: Final = 10.0
"""Within which a client must have said that it speaks HTTP/2."""

_GREETING: Final = settings(
    {
        MAX_CONCURRENT_STREAMS: MOST_STREAMS,
        INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        MAX_HEADER_LIST_SIZE: LARGEST_LIST,
    }
) + frame(WINDOW_UPDATE, 0, 0, number(CONNECTION_WINDOW - DEFAULT_WINDOW))


class Connection(asyncio.Protocol):
    """One client, in ``connections`` for as long as it is there. ``known`` is as Lag's."""

    def __init__(self, accept: Accept, connections: set[Connection], known: float) -> None:
        self._connections = connections
        self._transport: asyncio.Transport
        self._clock = asyncio.get_running_loop().time
        self._made = self._clock()
        self._rest = b""
        self._out: list[bytes] = []
        self._streams = Streams(accept, self._out)
        self._blocks = Blocks()
        self._block: tuple[int, int, list[bytes]] = (0, 0, [])
        self._prefaced = False
        self._expected: int | None = SETTINGS  # the one type of frame that may come next, or any
        self._unacknowledged = 0
        self._lag = Lag(known)

    @property
    def open_streams(self) -> int:
        """Requests that have no answer yet."""
        return len(self._streams)

    # What the loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a TCP server gives
        self._transport = transport
        transport.set_write_buffer_limits(high=MOST_UNREAD)
        # A proxy whose machine is gone never says so.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        transport.write(_GREETING)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._streams.late = self._lag.is_late(self._clock())
        if self._rest:
            data = self._rest + data
        try:
            self._rest = data[self._take(data) :]
        except ConnectionFault as fault:
            self._go(fault.code)
            self._transport.close()
            return
        self._flush()

    def pause_writing(self) -> None:
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._connections.discard(self)
        self._streams.lost()

    # What the server says.

    def expire(self, seconds: float) -> None:
        """End what has been open for so long and may not be, and a client that has yet to greet."""
        now = self._clock()
        if self._expected == SETTINGS:
            if now - self._made > GREETING_S:
                self._transport.abort()
            return
        self._streams.late = self._lag.is_late(now)
        self._streams.expire(seconds)
        if ping := self._lag.ping(now):
            self._out.append(ping)
        self._flush()

    def leave(self) -> None:
        """Tell the client to go elsewhere with further requests."""
        self._streams.leaving = True
        self._go(NO_ERROR)

    def close(self, *, at_once: bool = False) -> None:
        """Let go of the client, after what has been said to it or before; what is open is lost."""
        if at_once:
            self._transport.abort()
        else:
            self._transport.close()

    def _go(self, code: int) -> None:
        self._out.append(frame(GOAWAY, 0, 0, number(self._streams.newest) + number(code)))
        self._flush()

    def _flush(self) -> None:
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    # What the client says.

    def _take(self, data: bytes) -> int:
        """Read all whole frames; returns where they end."""
        at, size = 0, len(data)
        if not self._prefaced:
            if not data.startswith(PREFACE[:size]):
                raise ConnectionFault(PROTOCOL_ERROR)
            if size < len(PREFACE):
                return 0
            self._prefaced, at = True, len(PREFACE)
        while size - at >= HEAD_BYTES:
            high, low, kind, flags, stream = HEAD.unpack_from(data, at)
            length = high << 8 | low
            if length > LARGEST_FRAME:
                raise ConnectionFault(FRAME_SIZE_ERROR)
            end = at + HEAD_BYTES + length
            if end > size:
                break
            if self._expected is not None and kind != self._expected:
                raise ConnectionFault(PROTOCOL_ERROR)
            stream &= 0x7FFFFFFF
            payload = data[at + HEAD_BYTES : end]
            at = end
            try:
                if kind == DATA:
                    self._on_data(stream, flags, payload)
                elif handler := _HANDLERS.get(kind):  # what is not known is passed over, §4.1
                    handler(self, stream, flags, payload)
            except StreamFault as fault:
                self._streams.fault(stream, fault.code)
        return at

    def _on_data(self, stream: int, flags: int, payload: bytes) -> None:
        size = len(payload)
        self._unacknowledged += size
        if self._unacknowledged >= CONNECTION_WINDOW // 2:
            self._out.append(frame(WINDOW_UPDATE, 0, 0, number(self._unacknowledged)))
            self._unacknowledged = 0
        if flags & PADDED:
            payload = unpadded(payload)
        self._streams.data(stream, payload, size, ended=bool(flags & END_STREAM))

    def _on_headers(self, stream: int, flags: int, payload: bytes) -> None:
        if flags & PADDED:
            payload = unpadded(payload)
        if flags & WITH_PRIORITY:
            if len(payload) < 5:
                raise ConnectionFault(FRAME_SIZE_ERROR)
            payload = payload[5:]
        if stream % 2 == 0:
            raise ConnectionFault(PROTOCOL_ERROR)
        if flags & END_HEADERS:
            self._on_block(stream, flags, payload)
        else:
            self._block = (stream, flags, [payload])
            self._expected = CONTINUATION

    def _on_continuation(self, stream: int, flags: int, payload: bytes) -> None:
        begun, first, parts = self._block
        if self._expected is None or begun != stream:
            raise ConnectionFault(PROTOCOL_ERROR)
        parts.append(payload)
        if len(parts) > MOST_CONTINUED + 1 or sum(map(len, parts)) > LARGEST_LIST:
            raise ConnectionFault(ENHANCE_YOUR_CALM)
        if flags & END_HEADERS:
            self._expected, self._block = None, (0, 0, [])
            self._on_block(stream, first, b"".join(parts))

    def _on_block(self, stream: int, flags: int, encoded: bytes) -> None:
        block = self._blocks.decoded(encoded)  # even of a stream that is over: it may change the table
        self._streams.headers(stream, block, ended=bool(flags & END_STREAM))

    def _on_reset(self, stream: int, _flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(FRAME_SIZE_ERROR)
        self._streams.reset(stream)

    def _on_settings(self, stream: int, flags: int, payload: bytes) -> None:
        _check_control(stream, sized=len(payload) % 6 == 0 and not (flags & ACK and payload))
        if flags & ACK:
            return
        self._expected = None
        for name, value in struct.iter_unpack(">HL", payload):
            if name == INITIAL_WINDOW_SIZE:
                if value > LARGEST_WINDOW:
                    raise ConnectionFault(FLOW_CONTROL_ERROR)
                self._streams.room_of_each = value
            elif (name == ENABLE_PUSH and value > 1) or (
                name == MAX_FRAME_SIZE and not LARGEST_FRAME <= value < 2**24
            ):
                raise ConnectionFault(PROTOCOL_ERROR)
        self._out.append(frame(SETTINGS, ACK, 0))

    def _on_ping(self, stream: int, flags: int, payload: bytes) -> None:
        _check_control(stream, sized=len(payload) == 8)
        if flags & ACK:
            self._lag.answered(payload)
        else:
            self._out.append(frame(PING, ACK, 0, payload))

    def _on_goaway(self, stream: int, _flags: int, payload: bytes) -> None:
        _check_control(stream, sized=len(payload) >= 8)

    def _on_priority(self, stream: int, _flags: int, payload: bytes) -> None:
        if not stream:
            raise ConnectionFault(PROTOCOL_ERROR)
        if len(payload) != 5:
            raise ConnectionFault(FRAME_SIZE_ERROR)

    def _on_push(self, _stream: int, _flags: int, _payload: bytes) -> None:
        raise ConnectionFault(PROTOCOL_ERROR)

    def _on_window(self, stream: int, _flags: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(FRAME_SIZE_ERROR)
        self._streams.widen(stream, int.from_bytes(payload, "big") & LARGEST_WINDOW)


def _check_control(stream: int, *, sized: bool) -> None:
    """A frame of the connection is on no stream, and has its size."""
    if stream:
        raise ConnectionFault(PROTOCOL_ERROR)
    if not sized:
        raise ConnectionFault(FRAME_SIZE_ERROR)


_HANDLERS: Final = {
    HEADERS: Connection._on_headers,
    PRIORITY: Connection._on_priority,
    RST_STREAM: Connection._on_reset,
    SETTINGS: Connection._on_settings,
    PUSH_PROMISE: Connection._on_push,
    PING: Connection._on_ping,
    GOAWAY: Connection._on_goaway,
    WINDOW_UPDATE: Connection._on_window,
    CONTINUATION: Connection._on_continuation,
}
