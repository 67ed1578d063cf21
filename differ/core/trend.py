"""How a session went over time: pairs by when they were asked, at a grain that the keeper coarsens.

A *bucket* is ``second >> grain``: all seconds of the Unix epoch that share all but their last ``grain``
bits. Coarsening maps buckets to buckets and adds what meets, so trends of partitions, processes and
hours merge to the same one in any order.

Each pair is counted once, under what it showed (the last part of its name):

=============== ========================================================================
``=``           the same on both sides
``~``           the same but for what was noise at sight
``k``           skipped
field ids       different, in exactly these fields (`differ.core.names.field_id`) of its endpoint
``many``        different, in more fields than are told apart
=============== ========================================================================

By the fields it is decided when the trend is read, not when it is counted, which of these pairs differ
beyond noise. So the trend says of them what the report says: their sum is what was judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from differ.core.names import TAB
from differ.core.noise_arm import without

SAME: Final = "="
NOISE: Final = "~"
SKIPPED: Final = "k"

BEHIND_US: Final = 366 * 24 * 3600 * 1_000_000
"""Captures older than a year, when they are paired, are from a clock that was never set."""

AHEAD_US: Final = 5 * 60 * 1_000_000
"""Clocks of proxies that run further ahead than this are wrong, and not merely unsynchronised."""

Key = tuple[int, str, str]


def second_of(started_us: int | None, paired_us: int) -> int:
    """The second under which a pair is counted: when it was asked, by the proxy that captured it.

    ``paired_us`` is when it was paired, microseconds since the Unix epoch, and stands in for a time that
    is missing or nonsense. So a replay shows when things happened, and a bad clock stretches no axis.
    """
    if started_us is None or not paired_us - BEHIND_US <= started_us <= paired_us + AHEAD_US:
        started_us = paired_us
    return max(0, started_us // 1_000_000)


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket. ``start_s`` and ``width_s`` in seconds, the start since the Unix epoch.

    ``noise`` counts pairs that differ in nothing but noise; ``different`` those that differ beyond it,
    ``by_endpoint`` the same where each was. ``compared`` holds both, ``skipped`` is beside it.
    """

    start_s: int
    width_s: int
    compared: int = 0
    different: int = 0
    noise: int = 0
    skipped: int = 0
    by_endpoint: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trend:
    """Counts by bucket, endpoint and what was shown.

    Holds: ``a + b == b + a``, ``(a + b) + c == a + (b + c)``, ``a + Trend() == a``, and what is coarsened
    after adding is what is added after coarsening.
    """

    grain: int = 0
    counts: Mapping[Key, int] = field(default_factory=dict)

    @classmethod
    def of(cls, grain: int, counts: Mapping[str, int]) -> Trend:
        r"""The trend of counters named ``<bucket>\t<endpoint>\t<what>``; other names are left alone."""
        found: dict[Key, int] = {}
        for counter, count in counts.items():
            bucket, _, rest = counter.partition(TAB)
            endpoint, tab, what = rest.partition(TAB)
            if tab and bucket.isdecimal():
                found[int(bucket), endpoint, what] = count
        return cls(max(grain, 0), found)

    def __add__(self, other: Trend) -> Trend:
        grain = max(self.grain, other.grain)
        total = dict(self.coarsened(grain).counts)
        for at, count in other.coarsened(grain).counts.items():
            total[at] = total.get(at, 0) + count
        return Trend(grain, total)

    def coarsened(self, grain: int) -> Trend:
        """The same pairs in wider buckets; itself where they are as wide already."""
        if grain <= self.grain:
            return self
        by, total = grain - self.grain, dict[Key, int]()
        for (bucket, endpoint, what), count in self.counts.items():
            at = (bucket >> by, endpoint, what)
            total[at] = total.get(at, 0) + count
        return Trend(grain, total)

    def within(self, buckets: int) -> Trend:
        """As fine as it can be for its first and its last bucket to lie within so many, at least two."""
        first = min((at[0] for at in self.counts), default=0)
        last = max((at[0] for at in self.counts), default=0)
        by = 0
        while (last >> by) - (first >> by) >= max(2, buckets):
            by += 1
        return self.coarsened(self.grain + by)

    def points(self, noisy: Mapping[str, frozenset[str]]) -> tuple[Point, ...]:
        """From the first bucket to the last, empty ones too. ``noisy`` are the noisy fields by endpoint."""
        if not self.counts:
            return ()
        totals: dict[int, dict[str, int]] = {}
        where: dict[int, dict[str, int]] = {}
        for (bucket, endpoint, what), count in self.counts.items():
            kind = what
            if what not in _ALONE:
                beyond = without({what: count}, noisy.get(endpoint, frozenset()))
                kind = _DIFFERENT if beyond else NOISE
            seen = totals.setdefault(bucket, {})
            seen[kind] = seen.get(kind, 0) + count
            if kind == _DIFFERENT:
                here = where.setdefault(bucket, {})
                here[endpoint] = here.get(endpoint, 0) + count
        return tuple(
            self._point(bucket, totals.get(bucket, {}), where.get(bucket, {}))
            for bucket in range(min(totals), max(totals) + 1)
        )

    def _point(self, bucket: int, seen: Mapping[str, int], where: Mapping[str, int]) -> Point:
        different, noise, skipped = (seen.get(kind, 0) for kind in (_DIFFERENT, NOISE, SKIPPED))
        return Point(
            start_s=bucket << self.grain,
            width_s=1 << self.grain,
            compared=different + noise + seen.get(SAME, 0),
            different=different,
            noise=noise,
            skipped=skipped,
            by_endpoint=where,
        )


_ALONE: Final = frozenset({SAME, NOISE, SKIPPED})
_DIFFERENT: Final = "!"
