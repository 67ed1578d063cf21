"""Looked at again and again: the gate errs as rarely as it says, where an ordinary interval does not.

Seeded, so that each run is the same. The true rate is exactly the tolerance, the hardest case of all:
whatever is decided there is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from random import Random

import pytest

from differ.core.confidence import wilson
from differ.core.distribution import changes
from differ.core.evidence import FieldEvidence
from differ.core.excess import Levels, Word, excess
from differ.core.facts import SessionFacts
from differ.core.noise_arm import NOISY_FROM
from differ.core.policy import Policy
from differ.core.rate import Rate
from differ.core.report import summarise
from differ.core.tally import Tally, count
from differ.core.verdict import judge
from tests.core.evidence_kit import ENDPOINT, SAME, body, finding, outcome, pair

ALPHA = 0.05
LOOK = 50


def looks(random: Random, rate: float, pairs: int) -> Iterator[Rate]:
    """The mismatches so far at every fiftieth pair; gaps between mismatches are geometric."""

    def gap() -> int:
        return 1 + int(log(1 - random.random()) / log(1 - rate))

    next_at, seen = gap(), 0
    for total in range(LOOK, pairs + 1, LOOK):
        while next_at <= total:
            seen += 1
            next_at += gap()
        yield Rate(seen, total)


def ever(random: Random, rate: float, pairs: int, tolerance: float) -> set[str]:
    """What is said at any look of one release."""
    said: set[str] = set()
    for look in looks(random, rate, pairs):
        said.add(str(excess(look, None, tolerance, Levels(ALPHA, ALPHA)).word))
        if wilson(look.count, look.total, z=1.6449).lower > tolerance:
            said.add("wilson fails")
    return said


@pytest.mark.parametrize(("tolerance", "pairs"), [(0.005, 10_000), (0.01, 10_000), (0.05, 5_000)])
def test_at_the_tolerance_no_more_errors_than_promised_where_wilson_errs_often(
    tolerance: float, pairs: int
) -> None:
    random = Random(2026)
    releases = [ever(random, tolerance, pairs, tolerance) for _ in range(200)]
    assert sum(Word.FAIL in said for said in releases) <= ALPHA * len(releases)
    assert sum(Word.PASS in said for said in releases) <= ALPHA * len(releases)
    # The same looks fool an interval made for one look, so these looks are hard enough.
    assert sum("wilson fails" in said for said in releases) > 4 * ALPHA * len(releases)


def test_rates_apart_from_the_tolerance_are_told() -> None:
    random = Random(7)
    healthy = [ever(random, 0.0005, 5_000, 0.01) for _ in range(40)]
    faulty = [ever(random, 0.05, 5_000, 0.01) for _ in range(40)]
    assert sum(Word.PASS in said and Word.FAIL not in said for said in healthy) >= 38
    assert sum(Word.FAIL in said and Word.PASS not in said for said in faulty) >= 38


def words_of_a_release(random: Random, policy: Policy, *, fault: float) -> set[Word]:
    """What whole verdicts say, look by look, of a shadow with v1's noise and a fault beside it.

    Of three noisy fields one is so quiet that it becomes noisy only on the way.
    """
    noise = {"often": 0.3, "sometimes": 0.03, "seldom": 0.004}
    facts = SessionFacts("orders", "v2", first_us=0, last_us=60_000_000)
    counts: dict[str, int] = {}
    said: set[Word] = set()
    for number in range(1, 1_001):
        control = [finding(body(name)) for name, rate in noise.items() if random.random() < rate]
        shadow = [finding(body(name)) for name, rate in noise.items() if random.random() < rate]
        if random.random() < fault:
            shadow.append(finding(body("price")))
        for name, by in count(pair(number), outcome(*shadow), outcome(*control)).items():
            counts[name] = counts.get(name, 0) + by
        if number % LOOK == 0:
            said.add(judge(summarise(Tally.of(counts), facts, policy), policy, facts, 60_000_000).word)
    return said


def test_whole_verdicts_beside_a_noisy_v1_err_no_more_than_promised() -> None:
    random = Random(11)
    policy = Policy(tolerance=0.02, min_duration=0)
    healthy = [words_of_a_release(random, policy, fault=0) for _ in range(20)]
    assert sum(Word.FAIL in said for said in healthy) <= ALPHA * 20
    at_the_tolerance = [words_of_a_release(random, policy, fault=0.02) for _ in range(20)]
    assert sum(Word.FAIL in said for said in at_the_tolerance) <= ALPHA * 20
    assert sum(Word.PASS in said for said in at_the_tolerance) <= ALPHA * 20
    faulty = [words_of_a_release(random, policy, fault=0.15) for _ in range(5)]
    assert all(Word.FAIL in said and Word.PASS not in said for said in faulty)


def test_a_field_is_noisy_by_what_the_control_did_alone() -> None:
    different = outcome(finding(body("x")))
    counts: dict[str, int] = {}
    for number in range(50):
        control = different if number < NOISY_FROM - 1 else SAME
        for name, by in count(pair(number), different, control).items():
            counts[name] = counts.get(name, 0) + by
    (endpoint,) = summarise(Tally.of(counts), SessionFacts("orders", "v2")).endpoints
    assert endpoint.noisy_fields == ()
    assert endpoint.endpoint == ENDPOINT


def sketch(random: Random, nulls: float, distinct: int) -> str:
    """The category of a random value."""
    return "n0" if random.random() < nulls else f"u{random.randrange(distinct) % 16:x}"


def ever_changed(random: Random, shadow: tuple[float, int], v1: tuple[float, int]) -> set[str]:
    seen = FieldEvidence(sketches={"s": {}, "c": {}})
    said: set[str] = set()
    for number in range(1, 1_201):
        for role, how in (("s", shadow), ("c", v1)):
            category = sketch(random, *how)
            seen.sketches[role][category] = seen.sketches[role].get(category, 0) + 1
        if number % 60 == 0:
            said |= {change.what for change in changes(seen, ALPHA)}
    return said


def test_changes_of_distribution_are_hardly_ever_seen_where_there_are_none() -> None:
    random = Random(13)
    # A true difference of exactly the margin is still none.
    assert sum(bool(ever_changed(random, (0.15, 400), (0.10, 400))) for _ in range(40)) <= ALPHA * 40
    assert sum(bool(ever_changed(random, (0.1, 400), (0.1, 400))) for _ in range(40)) <= ALPHA * 40


def test_changes_of_distribution_are_seen_where_they_are() -> None:
    random = Random(17)
    assert ever_changed(random, (0.0, 1), (0.0, 400)) == {"always the same value"}
    assert {"null", "UUID"} <= ever_changed(random, (0.4, 400), (0.1, 400))
