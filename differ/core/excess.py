"""The judgement on one rate: does the shadow differ beyond the noise by more than is tolerated?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from differ.core.confidence import Prior, excess_bounds, rare
from differ.core.rate import Interval, Rate, percent


class Word(StrEnum):
    """What a check, an endpoint or a gate says."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Levels:
    """At which levels to err: FAIL is shared among all tests, PASS is not, since it needs every test."""

    fail: float
    ok: float


@dataclass(frozen=True, slots=True)
class Excess:
    """A rate, the noise beside it, by how much it exceeds the noise, and what is tolerated.

    ``interval`` holds at every look: its lower bound at the level of FAIL, its upper at that of PASS.
    FAIL if and only if the lower bound is over the tolerance, PASS if and only if the upper is not.
    """

    differ: Rate
    noise: Rate | None
    tolerance: float
    interval: Interval
    prior: Prior
    levels: Levels

    @property
    def net(self) -> float | None:
        """The excess as observed: the difference of the two shares; None of nothing."""
        share = self.differ.value
        noise = self.noise.value if self.noise is not None else None
        return None if share is None else share - (noise or 0.0)

    @property
    def word(self) -> Word:
        """The judgement."""
        if self.interval.lower > self.tolerance:
            return Word.FAIL
        return Word.PASS if self.interval.upper <= self.tolerance else Word.INCONCLUSIVE

    @property
    def net_text(self) -> str:
        """The observed excess with its bounds, for people: ``2 % (1.1 % – 3.4 %)``."""
        net = self.net
        if net is None:
            return "–"
        shown = str(self.differ) if not (self.noise and self.noise.count) else percent(net)
        return f"{shown} ({self.interval})"


def excess(
    differ: Rate, noise: Rate | None, tolerance: float, levels: Levels, prior: Prior | None = None
) -> Excess:
    """Judge a rate against a tolerance; the prior is the one for rare mismatches unless given."""
    prior = prior or rare(tolerance)
    interval = excess_bounds(differ, noise, levels.fail, levels.ok, prior)
    return Excess(differ, noise, tolerance, interval, prior, levels)


_FAR: Final = 10_000_000


def pairs_needed(judged: Excess) -> int | None:
    """About how many pairs in all a decision takes, if the rates stay what they are.

    At least one more than there are. None where the rate is so close to the tolerance that ten million
    pairs would not do, or where it is decided. Of nothing, it is what a faultless shadow takes.
    """
    if judged.word is not Word.INCONCLUSIVE:
        return None
    # A count of zero stays zero; others grow with the pairs.
    share = judged.differ.value or 0.0
    noise = judged.noise.value or 0.0 if judged.noise is not None else None

    def decided(total: int) -> bool:
        arm = None if noise is None else Rate(round(noise * total), total)
        later = excess(Rate(round(share * total), total), arm, judged.tolerance, judged.levels, judged.prior)
        return later.word is not Word.INCONCLUSIVE

    return _first(decided, judged.differ.total + 1)


def _first(decided: Callable[[int], bool], start: int) -> int | None:
    """The first total, to within 2 %, at which it is decided."""
    low, high = start, max(start, 16)
    while not decided(high):
        low, high = high, high * 2
        if high > _FAR:
            return None
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        if decided(middle):
            high = middle
        else:
            low = middle
    return high
