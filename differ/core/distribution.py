"""Whether the values of a noisy field changed: a noisy field is not a blind spot.

Where v1 disagrees with itself, v2 must disagree in the same way. Compared are the *shapes* of the
values (text, number, null, absent, …) by their shares, and how *spread* they are, by the share of the
commonest of some hash classes: a random id that became constant falls into one. Both tests hold at every
look, and both allow for a margin.

Spread is compared only where v1's values are many. A handful of names (of v1's pods, say) may well
become one without anything being wrong: a candidate often runs in a single copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from differ.core.confidence import excess_bounds, lower, upper
from differ.core.evidence import FieldEvidence
from differ.core.rate import Rate
from differ.core.sketch import CLASSES, SHAPES

SHAPE_MARGIN: Final = 0.05
"""By so much the share of a shape may differ."""

SPREAD_MARGIN: Final = 0.2
"""By so much the share of the commonest class may grow."""

MANY_CLASSES: Final = 12
"""Values in so many of the hash classes are many."""


@dataclass(frozen=True, slots=True)
class Change:
    """How the shadow's values of a noisy field differ from v1's.

    ``by_at_least`` is the bound that the test rests on; it is over ``margin``.
    """

    what: str
    shadow: Rate
    primary: Rate
    by_at_least: float
    margin: float

    def __str__(self) -> str:
        return f"{self.what}: {self.primary} of v1's values, {self.shadow} of v2's"


def changes(seen: FieldEvidence, alpha: float) -> tuple[Change, ...]:
    """The changes that are beyond doubt, and beyond the margin.

    With probability at least 1 − alpha there are none, at any look ever, where none is beyond its margin.
    V1's side is the control's values where a control differs, else the primary's.
    """
    shadow = seen.sketches.get("s", {})
    base = seen.sketches.get("c") or seen.sketches.get("p", {})
    if not shadow or not base:
        return ()
    found = [
        change
        for letter in SHAPES
        if (change := _shape_change(letter, shadow, base, alpha / 2 / len(SHAPES))) is not None
    ]
    spread = _spread_change(shadow, base, alpha / 2)
    return (*found, spread) if spread is not None else tuple(found)


def _shape_change(
    letter: str, shadow: Mapping[str, int], base: Mapping[str, int], alpha: float
) -> Change | None:
    after, before = _share(letter, shadow), _share(letter, base)
    if not after.count and not before.count:
        return None
    apart = excess_bounds(after, before, alpha, alpha)
    by = max(apart.lower, -apart.upper)
    return Change(SHAPES[letter], after, before, by, SHAPE_MARGIN) if by > SHAPE_MARGIN else None


def _share(letter: str, sketch: Mapping[str, int]) -> Rate:
    return Rate(
        sum(count for category, count in sketch.items() if category[0] == letter), sum(sketch.values())
    )


def _spread_change(shadow: Mapping[str, int], base: Mapping[str, int], alpha: float) -> Change | None:
    """Whether some class takes more of the shadow's values than any class takes of v1's.

    All classes of both sides have their bounds at once, so that the commonest may be picked freely.
    """
    if distinct_classes(base) < MANY_CLASSES:
        return None
    each = alpha / (2 * CLASSES * len(SHAPES))
    after, before = (
        Rate(max(shadow.values()), sum(shadow.values())),
        Rate(max(base.values()), sum(base.values())),
    )
    by = lower(after.count, after.total, each) - upper(before.count, before.total, each)
    return Change("always the same value", after, before, by, SPREAD_MARGIN) if by > SPREAD_MARGIN else None


def distinct_classes(sketch: Mapping[str, int]) -> int:
    """At least so many distinct values a sketch has seen."""
    return sum(1 for count in sketch.values() if count)
