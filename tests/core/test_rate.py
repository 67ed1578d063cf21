"""Numbers for people never say 0 % or 100 % of what is not exactly so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from differ.core.rate import Interval, Rate, percent


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(0, 0), "–"),
        (Rate(0, 10), "0 %"),
        (Rate(10, 10), "100 %"),
        (Rate(1, 3), "33.3 %"),
        (Rate(31, 1000), "3.1 %"),
        (Rate(1, 2000), "0.05 %"),
        (Rate(1, 10_000_000), "<0.001 %"),
        (Rate(9_999, 10_000), ">99.9 %"),
        (Rate(10**12 - 1, 10**12), ">99.9 %"),
    ],
)
def test_rates_as_text(rate: Rate, text: str) -> None:
    assert str(rate) == text


@given(st.integers(0, 10**15), st.integers(1, 10**15))
def test_only_exactly_none_and_all_print_as_such(count: int, more: int) -> None:
    rate = Rate(count, count + more - 1) if count else Rate(0, more)
    assert (str(rate) == "0 %") == (rate.count == 0)
    assert (str(rate) == "100 %") == (rate.count == rate.total)


@given(st.floats(0, 1))
def test_a_share_prints_as_none_or_all_only_if_it_is(share: float) -> None:
    assert (percent(share) == "0 %") == (share == 0)
    assert (percent(share) == "100 %") == (share == 1)
    assert "e" not in percent(share)


def test_an_excess_may_be_below_zero() -> None:
    assert str(Interval(-0.002, 0.01)) == "-0.2 % – 1 %"
