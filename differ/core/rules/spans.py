"""How far apart two points in time are, in whatever notation an API writes them."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Final

from differ.core.values import Value, exact

MAX_TEXT: Final = 64
"""Characters of a text that may be a time; the longest notation has about 40."""

_DURATION: Final = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_SHORT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d)")
_UNITS: Final = {
    "us": timedelta(microseconds=1),
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}

_DAY: Final = timedelta(days=1)


def parse_span(text: str) -> timedelta | None:
    """``5s``, ``250ms``, ``PT30M``: None where it is no span."""
    match = _SHORT.fullmatch(text)
    try:
        return float(match[1]) * _UNITS[match[2]] if match else _duration(text)
    except OverflowError:
        return None


def apart(a: Value, b: Value) -> timedelta | None:
    """The distance of two points in time, or of two durations; None where they are not of one notation.

    ISO 8601 dates, times and durations, RFC 9110 dates, and numbers since 1970 whose unit is told by
    their size. A time with a zone and one without are not comparable. Times of day are at most half a
    day apart.
    """
    try:
        return _apart(a, b)
    except (ArithmeticError, ValueError, TypeError):
        return None


def _apart(a: Value, b: Value) -> timedelta | None:
    if isinstance(a, str) and isinstance(b, str):
        if max(len(a), len(b)) > MAX_TEXT:
            return None
        left, right = _read(a), _read(b)
        if isinstance(left, datetime) and isinstance(right, datetime):
            return abs(left - right)
        if isinstance(left, timedelta) and isinstance(right, timedelta):
            return abs(left - right)
        if isinstance(left, time) and isinstance(right, time):
            distance = abs(datetime.combine(date.min, left) - datetime.combine(date.min, right))
            return min(distance, _DAY - distance)
        return None
    return _epochs(a, b)


def _epochs(a: Value, b: Value) -> timedelta | None:
    if isinstance(a, bool) or isinstance(b, bool):
        return None
    if not isinstance(a, int | float | Decimal) or not isinstance(b, int | float | Decimal):
        return None
    left, right = exact(a), exact(b)
    size = max(left.adjusted(), right.adjusted())
    # Seconds have 10 digits from 2001 to 2286; each finer unit has three more.
    for digits, unit in ((11, 1), (14, 1_000), (17, 1_000_000), (20, 1_000_000_000)):
        if size < digits:
            return timedelta(seconds=float(abs(left - right) / unit))
    return None


def _read(text: str) -> datetime | time | timedelta | None:
    duration = _duration(text)
    if duration is not None:
        return duration
    for parse in (datetime.fromisoformat, time.fromisoformat, parsedate_to_datetime):
        try:
            return parse(text)
        except (ValueError, TypeError):
            continue
    return None


def _duration(text: str) -> timedelta | None:
    match = _DURATION.fullmatch(text)
    if match is None or text in ("P", "-P"):
        return None
    amounts = {name: float(value) for name, value in match.groupdict().items() if value and name != "sign"}
    span = timedelta(**amounts)
    return -span if match["sign"] else span
