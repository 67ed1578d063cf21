"""The words that more than one part of a report uses: changes, counts, times, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from differ.core.excess import Word
from differ.core.names import short_hash
from differ.core.report_model import SignatureReport

Item = TypeVar("Item")

TONES: Final = {Word.PASS: "pass", Word.FAIL: "fail", Word.INCONCLUSIVE: "wait"}
GLYPHS: Final = {Word.PASS: "✓", Word.FAIL: "✕", Word.INCONCLUSIVE: "?"}

_CHANGES: Final = {
    "missing": "− missing in shadow",
    "extra": "+ only in shadow",
    "type": "≠ another type",
    "value": "≠ another value",
    "order": "⇅ another order",
}
_SENTENCES: Final = {
    "missing": "is gone",
    "extra": "is new",
    "type": "has another type",
    "value": "has another value",
    "order": "comes in another order",
}
_SIGNS: Final = {"missing": "−", "extra": "+", "order": "⇅"}


def change(one: SignatureReport) -> str:
    """What differs, in a table where its field stands beside it."""
    return f"≠ {one.signature.detail}" if one.signature.detail else _CHANGES[one.signature.kind]


def chip(one: SignatureReport) -> str:
    """What differs, as short as can be, with its field."""
    detail = f" {one.signature.detail}" if one.signature.detail else ""
    kind = " type" if one.signature.kind == "type" else ""
    return f"{_SIGNS.get(one.signature.kind, '≠')} {one.signature.field}{detail}{kind}"


def change_sentence(one: SignatureReport) -> str:
    """What differs, as the middle of a sentence."""
    signature = one.signature
    if signature.detail:
        before, _, after = signature.detail.partition("→")
        return f"{signature.field} {before} became {after}"
    return f"{signature.field} {_SENTENCES[signature.kind]}"


def counted(count: int, what: str) -> str:
    """``1 pair``, ``2 pairs``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def spelled(reason: str) -> str:
    """A reason in words."""
    return reason.replace("_", " ")


def endpoint_anchor(endpoint: str) -> str:
    """Where on a page an endpoint is; behind the dash its id, as in the API."""
    return f"endpoint-{short_hash('endpoint', endpoint)}"


def moment(at_us: int) -> str:
    """A time to the second; microseconds since the Unix epoch."""
    return f"{datetime.fromtimestamp(at_us / 1_000_000, UTC):%d %b %Y %H:%M:%S} UTC"


def window(first_us: int | None, last_us: int | None) -> str:
    """From when to when, as fine as it takes to tell the two apart."""
    if first_us is None or last_us is None:
        return "nothing captured yet"
    first, last = (datetime.fromtimestamp(at / 1_000_000, UTC) for at in (first_us, last_us))
    if first.date() != last.date():
        return f"{first:%d %b %H:%M} – {last:%d %b %H:%M} UTC"
    if f"{first:%H:%M}" != f"{last:%H:%M}":
        return f"{first:%d %b %H:%M}–{last:%H:%M} UTC"
    return f"{first:%d %b %H:%M:%S}–{last:%H:%M:%S} UTC"


def first_of(rows: Sequence[Item], most: int) -> tuple[tuple[Item, ...], int]:
    """The first rows, and how many there are behind them."""
    return tuple(rows[:most]), max(0, len(rows) - most)
