"""Buckets of durations: what is in one is within its bounds, and quantiles are of what was counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from differ.core.histogram import LAST, beyond, bucket, quantile_bucket, upper_us

durations = st.integers(0, 10**10)


@given(durations)
def test_a_duration_is_under_the_bound_of_its_bucket_and_not_of_the_one_before(duration: int) -> None:
    index = bucket(duration)
    assert duration < upper_us(index) * (1 + 1e-9)
    if index:
        assert duration >= upper_us(index - 1) * (1 - 1e-9)


@given(durations, durations)
def test_longer_is_never_in_an_earlier_bucket(one: int, other: int) -> None:
    assert (bucket(one) <= bucket(other)) or one > other


def test_the_last_bucket_takes_the_rest() -> None:
    assert bucket(10**18) == LAST


@given(st.dictionaries(st.integers(0, LAST), st.integers(1, 50), min_size=1), st.floats(0, 1))
def test_at_most_the_rest_lies_beyond_a_quantile(counts: dict[int, int], quantile: float) -> None:
    index = quantile_bucket(counts, quantile)
    assert index in counts
    assert beyond(counts, index) <= (1 - quantile) * sum(counts.values()) + 1e-6


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile_bucket({}, 0.5) is None
