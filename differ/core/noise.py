"""Serve-time values: what differs because two copies answered at two moments, not because v2 is other.

Two kinds are certain enough to be noise with no rule written: both sides show the time of their own
answer, or both echo an id of their own request. Everything else that is noisy is told by a control.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from differ.core.model import Disposition, Finding, Kind, Outcome, Response, Result, Role
from differ.core.pair import Arrival, Pair

CLOCK: Final = "both sides are timestamps within a minute of their own answer"
ECHO: Final = "both sides echo an id of their own request"

_MINUTE_US: Final = 60_000_000
_QUARTER_US: Final = 15 * _MINUTE_US
_EXACT_US: Final = 50_000
_DAY_US: Final = 24 * 60 * _MINUTE_US


def mark_serve_time(outcome: Outcome, pair: Pair, other: Role = Role.SHADOW) -> Outcome:
    """The outcome with serve-time values as NOISE, their evidence as ``rule``.

    ``outcome`` is of the primary against ``other``. What is no regression stays as it is, and where no
    regression is left the pair is no longer DIFFERENT: it is the same, or skipped where the bodies were
    not compared.
    """
    response = pair.response(other)
    if outcome.result is not Result.DIFFERENT or response is None:
        return outcome
    sides = _Side.of(pair.primary, pair.arrival(Role.PRIMARY)), _Side.of(response, pair.arrival(other))
    findings = tuple(_judged(finding, *sides) for finding in outcome.findings)
    if findings == outcome.findings:
        return outcome
    if any(finding.disposition is Disposition.REGRESSION for finding in findings):
        return replace(outcome, findings=findings)
    if outcome.omitted:
        return outcome  # a regression may be among the findings that were left out
    result = Result.SKIPPED if outcome.uncompared else Result.SAME
    return replace(outcome, result=result, findings=findings, reason=outcome.uncompared)


class _Side(msgspec.Struct, frozen=True):
    """When one side answered, microseconds, and the ids of its request in lower case without dashes."""

    earliest_us: int | None
    latest_us: int
    ids: tuple[str, ...]

    @classmethod
    def of(cls, response: Response, arrival: Arrival) -> _Side:
        started = arrival.started_us
        ended = (started or 0) + (response.duration_us or 0)
        # Short ids turn up in other values by chance.
        ids = {_plain(text) for text in arrival.ids if len(text) >= 8}
        return cls(started, ended, tuple(sorted(ids, key=len, reverse=True)))

    def off_us(self, moment_us: int) -> int:
        """By how much a moment is outside the time of the answer; negative before it."""
        earliest = self.earliest_us or 0
        return min(0, moment_us - earliest) + max(0, moment_us - self.latest_us)


def _judged(finding: Finding, primary: _Side, other: _Side) -> Finding:
    difference = finding.difference
    if finding.disposition is not Disposition.REGRESSION or difference.kind is not Kind.VALUE:
        return finding
    before, after = difference.primary, difference.shadow
    if _both_show_now(before, after, primary, other):
        return replace(finding, disposition=Disposition.NOISE, rule=CLOCK)
    if primary.ids and other.ids and _both_echo(before, after, primary, other):
        return replace(finding, disposition=Disposition.NOISE, rule=ECHO)
    return finding


def _both_echo(before: object, after: object, primary: _Side, other: _Side) -> bool:
    """Each side has an id of its own request, at the same place in the same text."""
    if not (isinstance(before, str) and isinstance(after, str)):
        return False
    left, right = _plain(before), _plain(after)
    return any(
        own in left and left.replace(own, "\0") == right.replace(its, "\0")
        for own in primary.ids
        for its in other.ids
        if its in right
    )


def _plain(text: str) -> str:
    return text.lower().replace("-", "")


class _Moment(msgspec.Struct, frozen=True):
    """A timestamp: its format with digits blotted out, and when, in microseconds since the epoch.

    ``whole``: it has no fraction of a second. ``local``: it names no zone, so it may be off by a whole
    number of quarters of an hour.
    """

    form: str
    us: int
    whole: bool
    local: bool = False


def _both_show_now(before: object, after: object, primary: _Side, other: _Side) -> bool:
    if primary.earliest_us is None or other.earliest_us is None:
        return False
    left, right = _moment(before), _moment(after)
    # Another format is a difference that a caller notices, whatever the clock says.
    if left is None or right is None or left.form != right.form:
        return False
    off_left, off_right = primary.off_us(left.us), other.off_us(right.us)
    if left.local:
        zone = round(off_left / _QUARTER_US) * _QUARTER_US
        if abs(zone) > _DAY_US:
            return False
        off_left, off_right = off_left - zone, off_right - zone
    if left.whole != right.whole and abs(off_left if left.whole else off_right) > _EXACT_US:
        # Many clocks leave out a fraction that is zero. Then the whole second is the very time of the
        # answer; else the fraction was cut off, and that is another format.
        return False
    return abs(off_left) <= _MINUTE_US and abs(off_right) <= _MINUTE_US


_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?")
_HTTP = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
_EPOCH = re.compile(r"\d{10}(?:\.\d{1,9}|\d{3}|\d{6}|\d{9})?")
_DIGIT = re.compile(r"\d")
_FRACTION = re.compile(r"[.,]\d+")
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


def _moment(value: object) -> _Moment | None:
    """A value as a timestamp: ISO 8601, an HTTP date, or seconds to nanoseconds since the epoch."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float, Decimal)):
        # The range first: the text of a number can be megabytes, and a Decimal NaN raises when compared.
        if (isinstance(value, Decimal) and value.is_nan()) or not 10**9 <= value < 10**19:
            return None
        return _epoch(f"{value:f}" if isinstance(value, Decimal) else repr(value), "number")
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    found = _ISO.fullmatch(value)
    if found is not None:
        return _calendar(value, local=found[1] is None)
    return _http_date(value) if _HTTP.fullmatch(value) else _epoch(value, "text")


def _epoch(text: str, form: str) -> _Moment | None:
    if _EPOCH.fullmatch(text) is None:
        return None
    whole, dot, fraction = text.partition(".")
    us = int(whole.ljust(16, "0")[:16]) + int((fraction + "000000")[:6])
    return _Moment(f"{form} of {len(whole)} digits", us, whole=not dot)


def _calendar(text: str, *, local: bool) -> _Moment | None:
    try:
        moment = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None
    # Clocks that trim zeros give fractions of different length.
    form = _DIGIT.sub("0", _FRACTION.sub("", text))
    us = _to_us(moment.replace(tzinfo=UTC) if local else moment)
    return _Moment(form, us, whole=form == _DIGIT.sub("0", text), local=local)


def _http_date(text: str) -> _Moment | None:
    month = _MONTHS.get(text[8:11])
    if month is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{text[12:16]}-{month:02}-{text[5:7]}T{text[17:25]}+00:00")
    except ValueError:
        return None
    return _Moment("HTTP date", _to_us(moment), whole=True)


def _to_us(moment: datetime) -> int:
    past = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds
