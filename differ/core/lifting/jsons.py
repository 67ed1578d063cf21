"""JSON, exactly: every number by its value, every member seen, and nothing behind the value unnoticed.

Two ways to the same answer. The fast one is msgspec's parser with Decimal for what is not an
integer. It keeps the last of members with one name in silence, so its result is encoded again and
the quotation marks are counted: none can be lost without a member being lost. Whatever it refuses,
and whatever that count finds, goes the exact way: the standard library's parser, which also reads
lone surrogates, ``NaN`` and a value with something behind it.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation

import msgspec

from differ.core.lifting.lifted import MAX_DEPTH, TOO_DEEP, Lifted, Unreadable, too_deep
from differ.core.values import Repeated, Token, Value

_decode_decimals = msgspec.json.Decoder(float_hook=Decimal).decode
_decode_floats = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(decimal_format="number", order="sorted").encode

_OUT_OF_RANGE = Unreadable("a number with an exponent beyond what can be compared", bound=True)

_MAX_DIGITS = 4000
"""Digits of an integer that become an int; Python refuses 4,300, and Decimal has the same value."""

_SHAPE_OF = {ord("e"): "e", ord("E"): "e", ord("-"): "-"} | dict.fromkeys(b"0123456789.", "0")
_SHAPES = "".join(_SHAPE_OF.get(code, " ") for code in range(256)).encode()
_LONG_NUMBER = b"0" * 16
_TINY_NUMBER = b"0e-"


def floats_are_exact(data: bytes) -> bool:
    """Whether no two different numbers of such bodies become one double.

    That holds for up to 15 significant digits, away from zero; beyond the largest double the parser
    itself refuses. Digits in texts are seen too, which costs speed and nothing else.
    """
    shapes = data.translate(_SHAPES)
    return _LONG_NUMBER not in shapes and _TINY_NUMBER not in shapes


def lift_json(data: bytes, *, floats: bool = False) -> Lifted | Unreadable:
    """The JSON value that ``data`` (UTF-8) holds.

    ``floats`` makes numbers doubles, for where ``floats_are_exact`` holds for both sides.
    """
    try:
        value = _decode_floats(data) if floats else _decode_decimals(data)
        encoded = _encode(value)
    except (ValueError, RecursionError, InvalidOperation):
        # ValueError is the parent of msgspec's errors and of those about Unicode.
        return lift_json_exactly(data)
    # An escaped quotation mark could make up for a lost one.
    if (b"\\" in data and b"\\u0022" in data) or data.count(b'"') != encoded.count(b'"'):
        return lift_json_exactly(data)
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and not _shallow(data) and too_deep(value):
        return TOO_DEEP
    return Lifted(value, booleans=b"true" in data or b"false" in data, encoded=encoded)


_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _shallow(data: bytes) -> bool:
    """Whether a body is seen at once not to be deep: its brackets vanish in few rounds of removing pairs.

    Brackets in texts can hide some depth from it. Behind it stands the limit of the stack, which ends
    a comparison with a reason too.
    """
    brackets = data.translate(None, _ALL_BUT_BRACKETS)
    for _ in range(MAX_DEPTH // 2):  # a round removes one level or two
        left = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not left or len(left) == len(brackets):
            return not left
        brackets = left
    return False


def lift_both(primary: bytes, shadow: bytes) -> tuple[Lifted | Unreadable, Lifted | Unreadable]:
    """The JSON values of two sides, their numbers in one way."""
    if floats_are_exact(primary) and floats_are_exact(shadow):
        lifted = lift_json(primary, floats=True), lift_json(shadow, floats=True)
        if all(isinstance(side, Lifted) and side.encoded for side in lifted):
            return lifted
    return lift_json(primary), lift_json(shadow)


def lift_json_exactly(data: bytes) -> Lifted | Unreadable:
    """As :func:`lift_json`, by the slow way alone."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return Unreadable(f"not JSON: byte {error.start} is not UTF-8")
    return lift_json_text(text)


def lift_json_text(text: str) -> Lifted | Unreadable:
    """The JSON value at the head of ``text``, and what stands behind it."""
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, end = _exact.raw_decode(text, start)
    except json.JSONDecodeError as error:
        return Unreadable(f"not JSON: {error.msg} at character {error.pos}")
    except RecursionError:
        return TOO_DEEP
    except InvalidOperation:
        return _OUT_OF_RANGE
    if too_deep(value):
        return TOO_DEEP
    return Lifted(value, trailing=text[end:].strip(" \t\r\n"))


def _members(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    members = dict(pairs)
    if len(members) < len(pairs):
        values: dict[str, list[Value]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        members = {name: found[0] if len(found) == 1 else Repeated(found) for name, found in values.items()}
    return members


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _MAX_DIGITS else Decimal(text)


_exact = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=Decimal, parse_int=_integer, parse_constant=Token
)
