"""Counting: what a pair adds, and that adding is all there is to it."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from differ.core.model import Disposition, Kind, Outcome, Response, Result, Role
from differ.core.names import OTHER, fold
from differ.core.pair import Arrival, Pair
from differ.core.paths import Part, Path
from differ.core.signature import Signature, signature_of
from differ.core.tally import FIELDS_PER_PAIR, Tally, count, count_unpaired
from tests.core.evidence_kit import ENDPOINT, SAME, STATUS, added, body, finding, outcome, pair, tally_of

tallies = st.dictionaries(st.text(max_size=6), st.integers(0, 1000), max_size=6).map(Tally.of)

texts = st.text(max_size=8)
paths = st.one_of(
    st.builds(lambda steps: body(*steps), st.lists(texts | st.integers(0, 3), max_size=3)),
    st.builds(lambda name: Path(Part.HEADER, name), texts),
    st.just(STATUS),
)
outcomes = st.lists(
    st.builds(
        finding,
        paths,
        st.sampled_from(Kind),
        st.none() | st.booleans() | st.integers() | st.text(max_size=40),
        st.none() | st.floats() | st.lists(st.integers(), max_size=2) | st.text(max_size=40),
        st.sampled_from(Disposition),
        texts,
    ),
    max_size=5,
).map(lambda findings: outcome(*findings))
skipped = st.builds(lambda reason: Outcome(Result.SKIPPED, (), reason), texts.filter(bool))
pairs = st.builds(
    pair,
    st.integers(0, 50),
    endpoint=texts,
    method=st.sampled_from(["GET", "POST"]),
    shadow=st.builds(Response, st.sampled_from([0, 200, 500]), duration_us=st.none() | st.integers(0, 10**9)),
    ambiguous=st.booleans(),
    retried=st.booleans(),
)


@given(tallies, tallies, tallies)
def test_adding_tallies_is_associative_and_commutative_and_has_a_zero(a: Tally, b: Tally, c: Tally) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Tally() == a


def test_a_counter_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="only counts up"):
        Tally.of({"n": -1})


@given(pairs, outcomes | skipped, st.none() | outcomes | skipped)
def test_every_pair_counts_exactly_once_whatever_is_in_it(
    given_pair: Pair, shadow: Outcome, control: Outcome | None
) -> None:
    counts = count(given_pair, shadow, control)
    assert all(by == 1 for by in counts.values())
    (evidence,) = Tally.of(counts).endpoints.values()
    assert evidence.compared + sum(evidence.skipped.values()) == 1
    assert evidence.different == (shadow.result is Result.DIFFERENT)
    assert evidence.triples == (control is not None and Result.SKIPPED not in (shadow.result, control.result))
    assert evidence.shadow_only + evidence.both <= evidence.different


@given(pairs, outcomes, outcomes)
def test_every_name_reads_back_and_folds_once(given_pair: Pair, shadow: Outcome, control: Outcome) -> None:
    for name in count(given_pair, shadow, control):
        assert name.split("\t")[0] in {
            "n", "d", "k", "m", "3", "b", "c", "x", "f", "fb", "fc", "fx",
            "p", "pc", "s", "v", "z", "i", "h", "l", "t", "g", "w",
        }  # fmt: skip
        assert fold(fold(name)) == fold(name)


def test_a_control_only_adds_to_what_was_counted_without_it() -> None:
    a, b = outcome(finding(body("a"))), outcome(finding(body("b")))
    for shadow in (SAME, a, b):
        for control in (SAME, a, b):
            without, whole = count(pair(), shadow), count(pair(), shadow, control)
            assert without.items() <= whole.items()


@given(st.lists(st.tuples(pairs, outcomes), max_size=8), st.randoms(use_true_random=False))
def test_the_order_and_place_of_counting_do_not_matter(
    examined: list[tuple[Pair, Outcome]], random: Random
) -> None:
    increments = [count(one, result) for one, result in examined]
    here = [random.random() < 0.5 for _ in increments]
    shuffled = random.sample(increments, len(increments))
    left = added(*(inc for inc, left in zip(increments, here, strict=True) if left))
    right = added(*(inc for inc, left in zip(increments, here, strict=True) if not left))
    assert left + right == added(*shuffled)


def test_a_field_counts_once_a_pair_however_many_positions_differ() -> None:
    tally = tally_of([outcome(*(finding(body("items", at, "price")) for at in range(5)))])
    evidence = tally.endpoints[ENDPOINT]
    assert evidence.fields["$.items[*].price"].regressed == 1
    assert evidence.signatures[Signature(ENDPOINT, "$.items[*].price", Kind.VALUE)].pairs == 1


def test_three_sides_are_counted_by_who_disagrees() -> None:
    a, b = finding(body("a")), finding(body("b"))
    tally = tally_of(
        [
            (outcome(a), SAME),
            (SAME, outcome(a)),
            (outcome(a), outcome(a)),
            (outcome(a), outcome(b)),
            (SAME, SAME),
            outcome(a),
        ]
    )
    evidence = tally.endpoints[ENDPOINT]
    assert (evidence.compared, evidence.triples) == (6, 5)
    assert (evidence.shadow_only, evidence.control_only, evidence.both) == (1, 1, 2)
    field_a = evidence.fields["$.a"]
    assert (field_a.regressed, field_a.shadow_only, field_a.control_only, field_a.both) == (4, 2, 1, 1)
    assert evidence.fields["$.b"].control_differs == 1


def test_ignored_and_noise_are_counted_and_are_no_regressions() -> None:
    ignored = finding(body("at"), disposition=Disposition.IGNORED, rule="wall clock")
    noise = finding(body("id"), disposition=Disposition.NOISE, rule="echo")
    evidence = tally_of([outcome(ignored, noise)]).endpoints[ENDPOINT]
    assert evidence.different == 0
    assert evidence.fields["$.at"].ignored == {"wall clock": 1}
    assert evidence.fields["$.id"].noise == {"echo": 1}
    assert not evidence.signatures


def test_a_status_is_counted_by_its_two_codes() -> None:
    lost = pair(1, shadow=Response(0))
    found = outcome(finding(STATUS, Kind.VALUE, 200, None))
    evidence = added(count(lost, found)).endpoints[ENDPOINT]
    assert list(evidence.signatures) == [Signature(ENDPOINT, "status", Kind.VALUE, "200→none")]
    assert signature_of(lost, found.findings[0]) in evidence.signatures


def test_captured_text_beside_an_equal_status_stays_out_of_names() -> None:
    found = outcome(finding(STATUS, Kind.VALUE, "ok", "secret: 4111 1111 1111 1111"))
    assert not any("4111" in name for name in count(pair(), found))


def test_distinct_requests_are_counted_from_below() -> None:
    broken = outcome(finding(STATUS, Kind.VALUE, 200, 500))
    one_path = added(*(count(pair(n, path="/orders/7", shadow=Response(500)), broken) for n in range(50)))
    many = added(*(count(pair(n, shadow=Response(500)), broken) for n in range(50)))
    posts = added(
        *(count(pair(n, method="POST", path="/orders", shadow=Response(500)), broken) for n in range(50))
    )

    def distinct(tally: Tally) -> int:
        (seen,) = tally.endpoints[ENDPOINT].signatures.values()
        return seen.distinct_requests

    assert distinct(one_path) == 1
    assert distinct(many) >= 3
    assert distinct(posts) >= 3


def test_fields_of_one_pair_are_bounded() -> None:
    wide = outcome(*(finding(body(f"user{n}")) for n in range(500)))
    counts = count(pair(), wide, wide)
    assert len(counts) < FIELDS_PER_PAIR * 12
    assert added(counts).endpoints[ENDPOINT].fields[OTHER].regressed == 1


def test_folding_keeps_an_endpoints_pairs_and_their_differences_together() -> None:
    tally = tally_of([outcome(finding(body(f"user{n}"))) for n in range(20)])
    folded = added(*({fold(name): by} for name, by in tally.counts.items())).endpoints[ENDPOINT]
    assert (folded.compared, folded.different) == (20, 20)
    assert set(folded.fields) == {OTHER}
    assert sum(seen.pairs for seen in folded.signatures.values()) == 20


def test_unpaired_halves_are_counted_by_role_and_reason() -> None:
    tally = added(
        count_unpaired(Role.PRIMARY, ENDPOINT, "expired"), count_unpaired(Role.PRIMARY, ENDPOINT, "expired")
    )
    assert tally.endpoints[ENDPOINT].unpaired == {("primary", "expired"): 2}
    assert tally.endpoints[ENDPOINT].compared == 0


def test_clearly_slower_answers_and_the_time_between_the_two_are_counted() -> None:
    start = 1_700_000_000_000_000
    slow = pair(
        1,
        primary=Response(200, duration_us=10_000),
        shadow=Response(200, duration_us=40_000),
        primary_arrival=Arrival(start),
        shadow_arrival=Arrival(start + 500),
    )
    close = pair(2, primary=Response(200, duration_us=10_000), shadow=Response(200, duration_us=16_000))
    tally = added(count(slow, SAME), count(close, SAME))
    evidence = tally.endpoints[ENDPOINT]
    assert (evidence.timed, evidence.slower, evidence.faster) == (2, 1, 0)
    assert sum(tally.evidence.gaps["="].values()) == 1


def test_names_of_a_newer_version_are_left_alone() -> None:
    assert Tally.of({"new\tkind": 3, "t\tE\tp\tnot-a-number": 1, "s\tE": 2, "": 1}).evidence.gaps == {}


def test_counting_is_the_same_in_every_process() -> None:
    script = (
        "from tests.core.evidence_kit import *\n"
        "print(sorted(count(pair(3), outcome(finding(body('id'), primary='a-1', shadow='b-2')))))"
    )
    found = outcome(finding(body("id"), primary="a-1", shadow="b-2"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(sorted(count(pair(3), found)))
