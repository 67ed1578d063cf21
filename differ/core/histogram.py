"""Durations in buckets whose bounds grow by a fixed ratio: four buckets to each doubling."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp2, log2
from typing import Final

_PER_DOUBLING: Final = 4
LAST: Final = 140
"""The last bucket takes everything from about 9.5 hours up."""


def bucket(duration_us: int) -> int:
    """The bucket of a duration in microseconds: bucket i holds what is in [2^(i/4), 2^((i+1)/4)).

    Durations under 1 µs are in bucket 0.
    """
    return min(int(_PER_DOUBLING * log2(duration_us)), LAST) if duration_us > 1 else 0


def upper_us(index: int) -> float:
    """The bound, in microseconds, that everything in this bucket stays under."""
    return exp2((index + 1) / _PER_DOUBLING)


def quantile_bucket(counts: Mapping[int, int], quantile: float) -> int | None:
    """The first bucket at whose end at least this share of the counts is; None of nothing."""
    total = sum(counts.values())
    if not total:
        return None
    seen = 0
    for index in sorted(counts):
        seen += counts[index]
        if seen >= quantile * total:
            return index
    return max(counts)


def beyond(counts: Mapping[int, int], index: int) -> int:
    """How many are in later buckets than this one."""
    return sum(count for at, count in counts.items() if at > index)
