"""One check of a gate: what was measured, what the limit is, what it says, and its code for machines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from differ.core.excess import Word
from differ.core.policy import Mode


class Code(StrEnum):
    """Why a verdict is what it is. Stable: codes are added, never changed."""

    # Evidence against the candidate.
    CRITICAL = "CRITICAL"
    EXCESS_MISMATCH = "EXCESS_MISMATCH"
    NOISE_EXCEEDED = "NOISE_EXCEEDED"
    DISTRIBUTION_CHANGED = "DISTRIBUTION_CHANGED"
    LATENCY_BULK = "LATENCY_BULK"
    LATENCY_TAIL = "LATENCY_TAIL"
    # Not enough evidence.
    INSUFFICIENT_PAIRS = "INSUFFICIENT_PAIRS"
    INSUFFICIENT_CONTROL = "INSUFFICIENT_CONTROL"
    FEW_DISTINCT_REQUESTS = "FEW_DISTINCT_REQUESTS"
    NEAR_TOLERANCE = "NEAR_TOLERANCE"
    SHORT_WINDOW = "SHORT_WINDOW"
    REQUIRED_ENDPOINT_UNSEEN = "REQUIRED_ENDPOINT_UNSEEN"
    # Evidence that cannot be relied on.
    LOW_PAIRED_RATIO = "LOW_PAIRED_RATIO"
    LAG = "LAG"
    DROPS = "DROPS"
    SKIPS = "SKIPS"
    CANDIDATE_CHANGED = "CANDIDATE_CHANGED"
    RULES_CHANGED = "RULES_CHANGED"
    PRIMARY_CHANGED = "PRIMARY_CHANGED"
    PROFILE_STALE = "PROFILE_STALE"
    CLOCK_JUMP = "CLOCK_JUMP"
    DISCONTINUITY = "DISCONTINUITY"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    NO_SESSION = "NO_SESSION"
    # What the policy makes of time running out.
    DEADLINE = "DEADLINE"


@dataclass(frozen=True, slots=True)
class Check:
    """A check and its result.

    ``measure`` and ``limit`` are texts for people, made of the very numbers that were compared. ``have``
    and ``need`` are in pairs, ``need`` an estimate of how many it takes in all. An ADVISORY check is
    shown and decides nothing. ``signatures`` are ids.
    """

    code: Code
    name: str
    result: Word
    measure: str = ""
    limit: str = ""
    endpoint: str = ""
    field: str = ""
    mode: Mode = Mode.GATING
    have: int | None = None
    need: int | None = None
    signatures: tuple[str, ...] = ()

    @property
    def holds_up(self) -> bool:
        """Whether it stands in the way of PASS."""
        return self.mode is Mode.GATING and self.result is not Word.PASS

    @property
    def message(self) -> str:
        """The check in one line: ``GET /cart: pairs that differ beyond noise: 2 % (1 % – 3 %), …``."""
        where = " ".join(part for part in (self.endpoint, self.field) if part)
        text = f"{where}: {self.name}" if where else self.name
        text = f"{text}: {self.measure}" if self.measure else text
        text = f"{text}, limit {self.limit}" if self.limit else text
        return f"{text}; about {self.need - (self.have or 0)} more pairs" if self.need else text


def met(*, ok: bool) -> Word:
    """PASS or INCONCLUSIVE: how a precondition answers."""
    return Word.PASS if ok else Word.INCONCLUSIVE
