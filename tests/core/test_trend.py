"""A session over time: adding and coarsening commute, and it says of each pair what the report says."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from differ.core.facts import SessionFacts
from differ.core.model import Disposition, Outcome, Response, Result
from differ.core.names import field_id
from differ.core.pair import Pair
from differ.core.report import summarise
from differ.core.tally import Tally, count
from differ.core.trend import AHEAD_US, BEHIND_US, Trend, second_of
from tests.core.evidence_kit import added, body, finding, outcome, pair

NOW_US = 1_790_000_000_000_000

keys = st.tuples(
    st.integers(0, 1 << 20),
    st.sampled_from(["", "GET /a", "GET /b"]),
    st.sampled_from(["=", "~", "k", "many"]),
)
trends = st.builds(Trend, st.integers(0, 12), st.dictionaries(keys, st.integers(1, 1000), max_size=8))


@given(trends, trends, trends)
def test_adding_trends_is_associative_and_commutative_and_has_a_zero(a: Trend, b: Trend, c: Trend) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Trend() == a


@given(trends, trends, st.integers(0, 24))
def test_coarsening_and_adding_commute_and_lose_no_pair(a: Trend, b: Trend, grain: int) -> None:
    assert (a + b).coarsened(grain) == a.coarsened(grain) + b.coarsened(grain)
    assert sum((a + b).coarsened(grain).counts.values()) == sum(a.counts.values()) + sum(b.counts.values())


@given(trends, st.integers(2, 60))
def test_it_fits_into_so_many_buckets_and_is_no_coarser_than_it_must_be(trend: Trend, buckets: int) -> None:
    points = trend.within(buckets).points({})
    assert len(points) <= buckets
    assert all(after.start_s - before.start_s == before.width_s for before, after in pairwise(points))
    finer = trend.within(2 * buckets + 1)
    assert finer.grain <= trend.within(buckets).grain
    assert sum(point.compared + point.skipped for point in points) == sum(trend.counts.values())


outcomes = st.one_of(
    st.just(Outcome(Result.SAME)),
    st.just(Outcome(Result.SKIPPED, (), "truncated")),
    st.just(outcome(finding(body("at"), disposition=Disposition.NOISE, rule="clock"))),
    st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=10, unique=True).map(
        lambda names: outcome(*(finding(body(name)) for name in names))
    ),
)
examined = st.lists(
    st.tuples(st.sampled_from(["GET /a", "GET /b"]), st.integers(0, 100), outcomes, st.none() | outcomes),
    max_size=25,
)


@given(examined)
def test_its_sums_are_what_the_report_judges(
    given_pairs: list[tuple[str, int, Outcome, Outcome | None]],
) -> None:
    increments = [
        count(seen(number, endpoint, second, control is not None), shadow, control)
        for number, (endpoint, second, shadow, control) in enumerate(given_pairs)
    ]
    tally = added(*increments)
    report = summarise(tally, SessionFacts("orders", "v2"))
    points = trend_of(tally).within(10).points(report.noisy_fields)
    assert sum(point.compared for point in points) == report.totals.compared
    assert sum(point.skipped for point in points) == sum(report.totals.skipped.values())
    for endpoint in report.endpoints:
        over_time = sum(point.by_endpoint.get(endpoint.endpoint, 0) for point in points)
        assert over_time == endpoint.excess.differ.count
    assert all(point.different + point.noise <= point.compared for point in points)


def test_fields_that_v1_disagrees_about_are_noise_in_it_too() -> None:
    counts = {(0, "GET /a", field_id("$.at")): 5, (0, "GET /a", f"{field_id('$.at')},{field_id('$.b')}"): 2}
    (point,) = Trend(0, counts).points({"GET /a": frozenset({"$.at"})})
    assert (point.compared, point.different, point.noise) == (7, 2, 5)


@pytest.mark.parametrize(
    ("started_us", "second"),
    [
        (NOW_US - 7_500_000, NOW_US // 1_000_000 - 8),  # as captured
        (NOW_US - BEHIND_US, (NOW_US - BEHIND_US) // 1_000_000),  # a replay of what is a year old
        (NOW_US + AHEAD_US, (NOW_US + AHEAD_US) // 1_000_000),  # clocks that are a little apart
        (NOW_US - BEHIND_US - 1, NOW_US // 1_000_000),  # a clock that was never set
        (NOW_US + AHEAD_US + 1, NOW_US // 1_000_000),
        (2**62, NOW_US // 1_000_000),
        (-(2**62), NOW_US // 1_000_000),
        (None, NOW_US // 1_000_000),
    ],
)
def test_the_time_is_the_captures_own_unless_it_is_nonsense(started_us: int | None, second: int) -> None:
    assert second_of(started_us, NOW_US) == second


def test_names_that_are_no_counters_are_left_alone() -> None:
    assert Trend.of(3, {"grain": 1, "x\t\t=": 1, "7\t\t=": 2}) == Trend(3, {(7, "", "="): 2})


def seen(number: int, endpoint: str, second: int, controlled: bool) -> Pair:
    return pair(number, endpoint=endpoint, second=second, control=Response(200) if controlled else None)


def trend_of(tally: Tally) -> Trend:
    """What the keeper makes of the counters that are its."""
    return Trend.of(
        0, {name.removeprefix("w\t"): by for name, by in tally.counts.items() if name.startswith("w\t")}
    )
