"""Protobuf's wire format: the fields of a message (https://protobuf.dev/programming-guides/encoding/)."""

from __future__ import annotations

from typing import Final

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types."""

FIXED_SIZES: Final = {FIXED64: 8, FIXED32: 4}
"""Bytes of the wire types that always have as many."""

Field = tuple[int, int, int | bytes]
"""Number, wire type, and the value: an integer for a varint, bytes for any other."""


def fields(data: bytes) -> list[Field] | None:
    """The fields of a message in wire order; None where ``data`` is no message."""
    found: list[Field] = []
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        number, wire = tag >> 3, tag & 7
        if position < 0 or not 0 < number < 1 << 29:
            return None
        value: int | bytes
        if wire == VARINT:
            value, position = varint(data, position)
            if position < 0:
                return None
        else:
            size = FIXED_SIZES.get(wire)
            if wire == LENGTH:
                size, position = varint(data, position)
            if size is None or position < 0 or position + size > len(data):
                return None
            value = data[position : position + size]
            position += size
        found.append((number, wire, value))
    return found


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A varint and the position behind it; position -1 where there is none of at most 64 bits."""
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position if value < 1 << 64 else -1
        shift += 7
    return 0, -1
