"""What is compared, and what a comparison says.

The words are those of the README's glossary: a *pair* is what the roles answered to one mirrored
request, a *difference* is one field in which two answers differ, an *outcome* is what became of a
pair. All values here are immutable.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from differ.core.paths import Path

Headers = tuple[tuple[str, str], ...]
"""Name (lower case) and value of each header or trailer, in the order received, repeats kept."""


class Role(StrEnum):
    """Which copy of a mirrored request a response belongs to."""

    PRIMARY = "primary"
    SHADOW = "shadow"
    CONTROL = "control"


class End(StrEnum):
    """How a response ended. All but COMPLETE leave something that cannot be compared."""

    COMPLETE = "complete"
    TRUNCATED = "truncated"
    NO_RESPONSE = "no_response"
    UPGRADE = "upgrade"
    ABORTED = "aborted"
    NOT_CAPTURED = "not_captured"


class Response(msgspec.Struct, frozen=True):
    """What one role answered.

    ``status`` is the HTTP status, 0 where there was no response. ``body`` is as it was on the wire
    (content-encoding applied) and may be the head of a longer one where ``end`` is TRUNCATED.
    ``duration_us`` is in microseconds, None where unknown.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    trailers: Headers = ()
    end: End = End.COMPLETE
    end_detail: str = ""
    duration_us: int | None = None


class Kind(StrEnum):
    """In what way a field differs, seen from the primary."""

    MISSING = "missing"
    """The primary has it, the shadow does not. Null is not missing."""
    EXTRA = "extra"
    """The shadow has it, the primary does not."""
    TYPE = "type"
    """Both have it, of different JSON types."""
    VALUE = "value"
    ORDER = "order"
    """The same elements in another order."""


class Disposition(StrEnum):
    """What a difference counts as. Each is counted; none is thrown away."""

    REGRESSION = "regression"
    NOISE = "noise"
    IGNORED = "ignored"


class Difference(msgspec.Struct, frozen=True):
    """One field in which shadow differs from primary.

    ``primary`` and ``shadow`` are JSON values, capped in size for keeping and showing; None also
    stands on the side that has nothing, which ``kind`` tells apart from null.
    """

    path: Path
    kind: Kind
    primary: object
    shadow: object


class Finding(msgspec.Struct, frozen=True):
    """A difference and what it counts as.

    ``rule`` is the note of the rule that ignored it, or the evidence that made it noise; empty
    for a regression. ``rule_id`` is that rule's id, empty where no rule had a part.
    """

    difference: Difference
    disposition: Disposition = Disposition.REGRESSION
    rule: str = ""
    rule_id: str = ""


class Result(StrEnum):
    """What became of a pair. ``different`` means that at least one finding is a regression."""

    SAME = "same"
    DIFFERENT = "different"
    SKIPPED = "skipped"


class Outcome(msgspec.Struct, frozen=True):
    """What comparing a pair gave.

    Holds always: DIFFERENT if and only if a finding is a regression; SKIPPED if and only if
    ``reason`` is set, and then the body was not compared (findings about status and headers may
    still be there, and where one of them is a regression the outcome is DIFFERENT and ``reason``
    stays empty). Findings are in path order; ``omitted`` tells that there are more than were kept.
    ``uncompared`` is why the body was not compared, whatever the result: should its findings turn out
    to be noise, a DIFFERENT pair is not the same.
    """

    result: Result
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    omitted: bool = False
    uncompared: str = ""
