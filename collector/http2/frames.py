"""What goes over the wire (RFC 9113 §4, §6, §7), and an answer as frames."""

from __future__ import annotations

import itertools
import struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
"""Types of frames."""

END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
"""Flags of frames."""

NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 0x0, 0x1, 0x3, 0x5
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0x6, 0x7, 0x8, 0x9, 0xB
"""Error codes."""

ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(2, 7)
"""Settings."""

DEFAULT_WINDOW: Final = 65_535
LARGEST_WINDOW: Final = 2**31 - 1
LARGEST_FRAME: Final = 16_384
"""Bytes of a frame's payload that everybody must take; we ask for no more."""

HEAD: Final = struct.Struct(">HBBBL")
"""Length in 24 bits, type, flags, stream: what each frame begins with."""

HEAD_BYTES: Final = HEAD.size


class ConnectionFault(Exception):
    """What ends a whole connection, since both sides would no longer mean the same by what follows."""

    def __init__(self, code: int) -> None:
        super().__init__(f"HTTP/2 error {code}")
        self.code = code


class StreamFault(Exception):
    """What ends one stream."""

    def __init__(self, code: int) -> None:
        super().__init__(f"HTTP/2 stream error {code}")
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    size = len(payload)
    return HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def number(value: int) -> bytes:
    """As RST_STREAM has its code, and WINDOW_UPDATE its increment."""
    return value.to_bytes(4, "big")


def settings(values: dict[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", *each) for each in values.items()))


def unpadded(payload: bytes) -> bytes:
    """The payload of a frame that has padding, without it."""
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(PROTOCOL_ERROR)
    return payload[1 : len(payload) - payload[0]]


class Answer:
    """All that is ever said on a stream, ready but for the stream's number."""

    def __init__(self, headers: bytes, body: bytes = b"", trailers: bytes = b"") -> None:
        """``headers`` and ``trailers`` are header blocks; without a body the headers are the end."""
        frames = [(HEADERS, END_HEADERS, headers)]
        if body:
            frames += [(DATA, 0, body), (HEADERS, END_HEADERS, trailers)]
        kind, flags, payload = frames.pop()
        frames.append((kind, flags | END_STREAM, payload))
        self.size = len(body)
        """Bytes that flow control counts."""
        self._after = _between_numbers(frames)
        # §8.1: the whole answer is out, and the rest of the request not wanted.
        self._before = _between_numbers([*frames, (RST_STREAM, 0, number(NO_ERROR))])

    def on(self, stream: int, *, ended: bool) -> bytes:
        """As it goes out on a stream, after the client has ended its part or before."""
        return number(stream).join(self._after if ended else self._before)


def _between_numbers(frames: list[tuple[int, int, bytes]]) -> list[bytes]:
    """The frames one after the other, cut where each has its stream's number."""
    encoded = [frame(kind, flags, 0, payload) for kind, flags, payload in frames]
    return [before[HEAD_BYTES:] + after[:5] for before, after in itertools.pairwise([b"", *encoded, b""])]
