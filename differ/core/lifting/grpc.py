"""gRPC bodies: frames, each a message (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from google.protobuf.descriptor import Descriptor

from differ.core.lifting import encodings
from differ.core.lifting.jsons import lift_json
from differ.core.lifting.lifted import MAX_BYTES, TOO_LARGE, Lifted, Unreadable
from differ.core.lifting.protobuf import MAX_DEPTH, TooDeepError, by_name, by_number
from differ.core.lifting.wire import fields
from differ.core.values import Chunk, Value

_PREFIX: Final = 5
"""Bytes before each message: one of flags, four of length."""

_COMPRESSED: Final = 0x01
_TRAILERS: Final = 0x80
"""Flag of gRPC-Web: the frame holds the trailers, as header lines."""


def lift_grpc(data: bytes, kind: str, compression: str, message: Descriptor | None) -> Lifted | Unreadable:
    """An array of messages. ``kind`` is the content-type, ``compression`` the header ``grpc-encoding``."""
    if kind.startswith("application/grpc-web-text"):
        try:
            data = base64.b64decode(data, validate=True)
        except binascii.Error:
            return Unreadable("not gRPC-Web: not base64")
    messages: list[Value] = []
    position = total = 0
    while position < len(data):
        if len(data) - position < _PREFIX:
            return Unreadable("not gRPC: it ends within a frame")
        flags = data[position]
        start = position + _PREFIX
        position = start + int.from_bytes(data[position + 1 : start], "big")
        if position > len(data) or flags & ~(_COMPRESSED | _TRAILERS):
            return Unreadable("not gRPC: it is not divided into frames")
        content: bytes | Unreadable = data[start:position]
        if flags & _COMPRESSED:
            content = encodings.decode(data[start:position], (compression or "identity",))
        if isinstance(content, Unreadable):
            return content
        total += len(content)
        if total > MAX_BYTES:
            return TOO_LARGE
        lifted = _trailers(content) if flags & _TRAILERS else _message(content, kind, message)
        if isinstance(lifted, Unreadable):
            return lifted
        messages.append(lifted)
    return Lifted(messages)


def _message(content: bytes, kind: str, message: Descriptor | None) -> Value | Unreadable:
    if kind.endswith("+json"):
        lifted = lift_json(content)
        if isinstance(lifted, Unreadable):
            return lifted if lifted.bound else Chunk(content)
        return Chunk(content) if lifted.trailing else lifted.value
    if message is None:
        found = fields(content)
        return Chunk(content) if found is None else by_number(found)
    try:
        members = by_name(content, message)
    except TooDeepError:
        return Unreadable(f"messages nested deeper than {MAX_DEPTH} levels", bound=True)
    return Chunk(content) if members is None else members


def _trailers(content: bytes) -> Value:
    lines = (line.partition(":") for line in content.decode("latin-1").split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in lines}
