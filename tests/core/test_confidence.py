"""Bounds that hold at every look: published values, order, and the price of many tests."""

from __future__ import annotations

from math import exp, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from differ.core.confidence import EVERYTHING, bounds, excess_bounds, level, log_evidence, rare, wilson
from differ.core.excess import Levels, Word, excess, pairs_needed
from differ.core.rate import Rate

counts = st.tuples(st.integers(0, 2_000), st.integers(0, 2_000)).map(lambda both: (both[0], sum(both)))


@pytest.mark.parametrize(
    ("tolerance", "pairs"),
    # How many pairs without a mismatch it takes until the upper bound is within the tolerance.
    [(0.01, 409), (0.005, 820), (0.001, 4_104), (0.0005, 8_210)],
)
def test_a_faultless_shadow_passes_after_as_many_pairs_as_the_formula_says(
    tolerance: float, pairs: int
) -> None:
    prior = rare(tolerance)
    assert bounds(0, pairs, 0.05, prior).upper <= tolerance < bounds(0, pairs - 1, 0.05, prior).upper


@given(counts, st.sampled_from([0.05, 0.001]))
def test_bounds_are_around_what_was_seen_and_solve_the_equation(seen: tuple[int, int], alpha: float) -> None:
    k, n = seen
    interval = bounds(k, n, alpha)
    if not n:
        assert interval == EVERYTHING
        return
    assert interval.lower <= k / n <= interval.upper
    for bound, trivial in ((interval.lower, k == 0), (interval.upper, k == n)):
        if not trivial:
            assert log_evidence(k, n, bound) == pytest.approx(log(1 / alpha), abs=1e-3)


@given(counts)
def test_more_confidence_is_wider(seen: tuple[int, int]) -> None:
    wide, narrow = bounds(*seen, 0.001), bounds(*seen, 0.05)
    assert wide.lower <= narrow.lower
    assert narrow.upper <= wide.upper


def test_the_evidence_against_a_true_rate_is_a_fair_bet() -> None:
    # The mixture is a martingale: over all outcomes of n draws its expectation is exactly one.
    n, p = 12, 0.3
    mean = 0.0
    ways = 1
    for k in range(n + 1):
        mean += ways * p**k * (1 - p) ** (n - k) * exp(log_evidence(k, n, p, rare(0.01)))
        ways = ways * (n - k) // (k + 1)
    assert mean == pytest.approx(1)


def test_an_impossible_rate_has_all_evidence_against_it() -> None:
    assert log_evidence(1, 2, 0.0) == inf
    assert log_evidence(1, 2, 1.0) == inf


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="0 <= k <= n"):
        bounds(3, 2, 0.05)


@pytest.mark.parametrize("most", [1, 16, 17, 200, 5_000])
def test_the_levels_of_all_tests_never_sum_to_more_than_alpha(most: int) -> None:
    # Each test at the highest level that it was ever tried at: that of the moment it joined.
    assert sum(level(0.05, joined) for joined in range(1, most + 1)) <= 0.05 * (1 + 1e-9)


@given(counts, counts)
def test_an_excess_is_within_what_both_arms_allow(shadow: tuple[int, int], noise: tuple[int, int]) -> None:
    apart = excess_bounds(Rate(*shadow), Rate(*noise), 0.05, 0.05)
    assert -1 <= apart.lower <= apart.upper <= 1
    mirrored = excess_bounds(Rate(*noise), Rate(*shadow), 0.05, 0.05)
    assert mirrored.lower == pytest.approx(-apart.upper)


def test_an_arm_that_saw_nothing_leaves_every_noise_possible() -> None:
    judged = excess(Rate(500, 500), Rate(0, 0), 0.005, Levels(0.05, 0.05))
    assert judged.word is Word.INCONCLUSIVE


@given(counts)
def test_shown_and_judged_agree(seen: tuple[int, int]) -> None:
    judged = excess(Rate(*seen), None, 0.005, Levels(0.001, 0.05))
    assert (judged.word is Word.FAIL) == (judged.interval.lower > 0.005)
    assert (judged.word is Word.PASS) == (judged.interval.upper <= 0.005)


def test_pairs_needed_are_the_pairs_it_takes() -> None:
    levels = Levels(0.05, 0.05)
    nothing = pairs_needed(excess(Rate(0, 0), None, 0.005, levels))
    assert nothing is not None
    assert 820 <= nothing <= 840
    some = pairs_needed(excess(Rate(0, 700), None, 0.005, levels))
    assert some is not None
    assert 820 <= some <= 840
    bad = pairs_needed(excess(Rate(2, 100), None, 0.005, levels))
    assert bad is not None
    assert excess(Rate(round(0.02 * bad), bad), None, 0.005, levels).word is Word.FAIL


def test_at_the_tolerance_nobody_can_say_how_many() -> None:
    assert pairs_needed(excess(Rate(5, 1_000), None, 0.005, Levels(0.05, 0.05))) is None


def test_what_is_decided_needs_no_more() -> None:
    assert pairs_needed(excess(Rate(0, 5_000), None, 0.005, Levels(0.05, 0.05))) is None


def test_wilson_for_description() -> None:
    assert wilson(0, 0) == EVERYTHING
    assert wilson(0, 765).upper == pytest.approx(0.005, abs=1e-5)
    assert wilson(50, 100).lower == pytest.approx(0.4038, abs=1e-4)
