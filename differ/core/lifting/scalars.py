"""Protobuf's scalar types: from their wire form to values."""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Final

from google.protobuf.descriptor import FieldDescriptor as Type

from differ.core.lifting.wire import FIXED32, FIXED64, FIXED_SIZES, VARINT, varint
from differ.core.values import Opaque, Token, Value

WIRE_TYPES: Final[dict[int, int]] = {
    Type.TYPE_DOUBLE: FIXED64,
    Type.TYPE_FIXED64: FIXED64,
    Type.TYPE_SFIXED64: FIXED64,
    Type.TYPE_FLOAT: FIXED32,
    Type.TYPE_FIXED32: FIXED32,
    Type.TYPE_SFIXED32: FIXED32,
    Type.TYPE_INT32: VARINT,
    Type.TYPE_INT64: VARINT,
    Type.TYPE_UINT32: VARINT,
    Type.TYPE_UINT64: VARINT,
    Type.TYPE_SINT32: VARINT,
    Type.TYPE_SINT64: VARINT,
    Type.TYPE_BOOL: VARINT,
    Type.TYPE_ENUM: VARINT,
}
"""The wire type of each type that can be packed; all others are length-delimited."""

_FORMATS: Final[dict[int, str]] = {
    Type.TYPE_DOUBLE: "<d",
    Type.TYPE_FLOAT: "<f",
    Type.TYPE_FIXED64: "<Q",
    Type.TYPE_SFIXED64: "<q",
    Type.TYPE_FIXED32: "<I",
    Type.TYPE_SFIXED32: "<i",
}


def scalar(field: Type, value: int | bytes) -> Value:
    """The value of one field, its wire type already found to be right."""
    if isinstance(value, int):
        return _varint(field, value)
    layout = _FORMATS.get(field.type)
    if layout is not None:
        number = struct.unpack(layout, value)[0]
        return _float(number) if isinstance(number, float) else int(number)
    if field.type == Type.TYPE_STRING:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return Opaque.of(value)
    return Opaque.of(value)


def _varint(field: Type, value: int) -> Value:
    if field.type == Type.TYPE_BOOL:
        return value != 0
    if field.type in (Type.TYPE_SINT32, Type.TYPE_SINT64):
        return (value >> 1) ^ -(value & 1)
    if field.type in (Type.TYPE_UINT32, Type.TYPE_UINT64):
        return value
    number = value - (1 << 64) if value >> 63 else value
    if field.type == Type.TYPE_ENUM:
        return _enum_name(field, number)
    return number


def _enum_name(field: Type, number: int) -> Value:
    named = None if field.enum_type is None else field.enum_type.values_by_number.get(number)
    return number if named is None else named.name


def _float(number: float) -> Value:
    if math.isfinite(number):
        return Decimal(repr(number))
    return Token("NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity")


def packed(field: Type, data: bytes) -> list[Value]:
    """The values of a packed repeated field; what is left over at its end stays bytes."""
    values: list[Value] = []
    position = 0
    size = FIXED_SIZES.get(WIRE_TYPES[field.type])
    while position < len(data):
        if size is None:
            number, after = varint(data, position)
            if after < 0:
                return [*values, Opaque.of(data[position:])]
            values.append(scalar(field, number))
            position = after
        else:
            piece = data[position : position + size]
            values.append(scalar(field, piece) if len(piece) == size else Opaque.of(piece))
            position += size
    return values


def default_of(field: Type) -> Value:
    """What a field is that is not on the wire, where the schema gives it no presence."""
    if field.message_type is not None:
        return {}
    if field.type == Type.TYPE_STRING:
        return ""
    if field.type == Type.TYPE_BYTES:
        return Opaque.of(b"")
    if field.type == Type.TYPE_BOOL:
        return False
    if field.type == Type.TYPE_ENUM:
        return _enum_name(field, 0)
    return 0
