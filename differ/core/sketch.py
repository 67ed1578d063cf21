"""What a value looks like, in two characters: how noisy fields are described without keeping values."""

from __future__ import annotations

import re
from typing import Final
from zlib import crc32

SHAPES: Final = {
    "-": "absent",
    "n": "null",
    "b": "boolean",
    "i": "number",
    "t": "timestamp",
    "u": "UUID",
    "x": "hash or token",
    "s": "text",
    "e": "empty text",
    "a": "array",
    "o": "object",
}
"""Each shape's letter and its name for people."""

RANDOM_LOOKING: Final = frozenset("tuxi")
"""Shapes of what a clock, a counter or a generator of ids makes."""

CLASSES: Final = 16
"""Number of hash classes that distinctness is measured by."""

ABSENT: Final = "-0"
"""The category of what is not there."""

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*"  # ISO 8601
    r"|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"  # HTTP
)
_TOKEN = re.compile(r"(?=[^0-9]*\d)[A-Za-z0-9_+/=.~-]{8,}")
_DIGITS: Final = "0123456789abcdef"


def category(value: object) -> str:
    """The letter in SHAPES of a JSON value, and one of 16 hash classes; the same in every process."""
    if isinstance(value, str):
        return _text_shape(value) + _DIGITS[crc32(value.encode("utf-8", "surrogatepass")) >> 28]
    if value is None:
        return "n0"
    # Python refuses to print very long integers in decimal.
    text = hex(value) if isinstance(value, int) else repr(value)
    return _shape(value) + _DIGITS[crc32(text.encode("utf-8", "surrogatepass")) >> 28]


def _shape(value: object) -> str:
    if isinstance(value, bool):
        return "b"
    if isinstance(value, dict):
        return "o"
    return "a" if isinstance(value, (list, tuple)) else "i"


def _text_shape(text: str) -> str:
    length = len(text)
    if length < 8:
        return "s" if length else "e"
    if length == 36 and _UUID.fullmatch(text):
        return "u"
    if length <= 40 and _TIMESTAMP.fullmatch(text):
        return "t"
    return "x" if length <= 256 and _TOKEN.fullmatch(text) else "s"
