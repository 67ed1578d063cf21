"""Verdicts: none from nothing, a FAIL that does not wait, and every reason with its code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from differ.core.checks import Code
from differ.core.document import verdict_document
from differ.core.excess import Word
from differ.core.facts import Profile, SessionFacts
from differ.core.model import Finding, Kind, Outcome, Response, Result, Role
from differ.core.policy import Critical, EndpointPolicy, Mirrored, Mode, OnInconclusive, Policy
from differ.core.report import summarise
from differ.core.risk import Worry
from differ.core.tally import Tally, count, count_unpaired
from differ.core.verdict import Latched, Verdict, judge, latch, standing
from tests.core.evidence_kit import ENDPOINT, SAME, STATUS, added, body, finding, outcome, pair, tally_of

NOW = 1_795_000_000_000_000
MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
FACTS = SessionFacts("orders", "v2", session="s1", first_us=NOW - 10 * MINUTE, last_us=NOW - MINUTE)
BAD = outcome(finding(body("price")))


def verdict(
    tally: Tally, policy: Policy | None = None, facts: SessionFacts = FACTS, now: int = NOW
) -> Verdict:
    policy = policy or Policy()
    return judge(summarise(tally, facts, policy), policy, facts, now)


def codes(given: Verdict) -> list[str]:
    return [str(check.code) for check in given.reasons]


def broken(pairs: int, of: int, *, control: int | None = None, path: str | None = None) -> Tally:
    """Pairs of which the shadow answers some with 500, and the control, if given, so many of those."""
    fault = outcome(finding(STATUS, Kind.VALUE, 200, 500))
    increments = []
    for number in range(of):
        fails = number < pairs
        shadow = Response(500 if fails else 200)
        also = control is not None and number < control
        other = None if control is None else Response(500 if also else 200)
        one = pair(number, path=path, shadow=shadow, control=other)
        answer = None if control is None else (fault if also else SAME)
        increments.append(count(one, fault if fails else SAME, answer))
    return added(*increments)


def test_nothing_is_inconclusive_and_says_what_is_missing() -> None:
    given = verdict(Tally(), facts=SessionFacts("orders", "v2"))
    assert given.word is Word.INCONCLUSIVE
    assert codes(given) == ["INSUFFICIENT_PAIRS", "SHORT_WINDOW", "LOW_PAIRED_RATIO"]
    assert given.need == 300
    assert given.summary.startswith("INCONCLUSIVE: enough pairs compared: 0, limit 300; about 300 more pairs")


def test_twenty_pairs_are_inconclusive_and_say_how_many_more() -> None:
    given = verdict(tally_of([SAME] * 20))
    assert given.word is Word.INCONCLUSIVE
    assert set(codes(given)) == {"INSUFFICIENT_PAIRS"}
    assert given.need is not None
    assert 790 <= given.need <= 820


def test_the_same_service_twice_passes_once_there_is_evidence() -> None:
    assert verdict(tally_of([SAME] * 819)).word is Word.INCONCLUSIVE
    assert verdict(tally_of([SAME] * 820)).word is Word.PASS


def test_a_fault_fails_without_waiting_for_time_or_pairs() -> None:
    given = verdict(tally_of([BAD] * 12), facts=replace(FACTS, first_us=NOW - 1, last_us=NOW))
    assert given.word is Word.FAIL
    assert codes(given) == ["EXCESS_MISMATCH"]
    (reason,) = given.reasons
    assert "$.price value" in reason.message
    assert reason.signatures == tuple(one.id for one in given.report.signatures)


def test_a_few_new_server_errors_are_enough() -> None:
    assert verdict(broken(2, 500)).word is not Word.FAIL
    given = verdict(broken(12, 5_000))
    assert "CRITICAL" in codes(given)
    assert "status 200→500" in given.reasons[0].message


def test_server_errors_that_v1_has_too_are_no_critical() -> None:
    assert "CRITICAL" not in codes(verdict(broken(12, 5_000, control=1)))
    assert "CRITICAL" in codes(verdict(broken(12, 5_000, control=0)))


def test_errors_that_come_and_go_on_either_side_are_no_critical() -> None:
    cured = outcome(finding(STATUS, Kind.VALUE, 500, 200))
    reverse = added(*(count(pair(n, primary=Response(500)), cured) for n in range(3)))
    assert "CRITICAL" in codes(verdict(broken(12, 5_000)))
    assert "CRITICAL" not in codes(verdict(broken(12, 5_000) + reverse))
    assert "CRITICAL" in codes(verdict(broken(40, 9_000) + reverse))


def test_one_request_over_and_over_is_one_fault_unless_nothing_else_is_asked() -> None:
    elsewhere = tally_of([SAME] * 50)
    assert verdict(broken(40, 40, path="/orders/7") + elsewhere).word is not Word.FAIL
    assert "FEW_DISTINCT_REQUESTS" in codes(verdict(broken(40, 40, path="/orders/7") + elsewhere))
    assert verdict(broken(40, 40, path="/health")).word is Word.FAIL


def test_a_policy_may_list_its_own_criticals() -> None:
    policy = Policy(criticals=(Critical(Worry.VALUE, "$.price", 1),))
    one = tally_of([BAD] + [SAME] * 5_000)
    assert codes(verdict(one, policy)) == ["CRITICAL"]
    assert verdict(one, Policy(criticals=())).word is Word.PASS
    assert "CRITICAL" not in codes(verdict(tally_of([(BAD, BAD)] + [(SAME, SAME)] * 5_000), policy))


def test_noise_with_a_control_passes_and_another_field_fails_on_that_field_alone() -> None:
    random = Random(2)
    noise, fault = finding(body("noisy")), finding(body("total"))

    def tally(share: float) -> Tally:
        examined = []
        for _ in range(3_000):
            shadow = [noise] * (random.random() < 0.05) + [fault] * (random.random() < share)
            control = [noise] * (random.random() < 0.05)
            examined.append((outcome(*shadow), outcome(*control)))
        return tally_of(examined)

    assert verdict(tally(0)).word is Word.PASS
    given = verdict(tally(0.02))
    assert codes(given) == ["EXCESS_MISMATCH"]
    assert "$.total value" in given.reasons[0].message
    assert "noisy" not in given.reasons[0].message


def test_a_noisy_field_that_became_noisier_fails_by_itself() -> None:
    noise = outcome(finding(body("noisy")))
    random = Random(6)
    examined = [
        (noise if random.random() < 0.5 else SAME, noise if random.random() < 0.05 else SAME)
        for _ in range(1_000)
    ]
    given = verdict(tally_of(examined))
    assert codes(given) == ["NOISE_EXCEEDED"]
    assert given.reasons[0].field == "$.noisy"


def test_where_a_control_answers_an_old_profile_is_no_harm() -> None:
    old = replace(FACTS, profile=Profile(tally_of([SAME] * 900), NOW - 8 * DAY))
    given = verdict(tally_of([(SAME, SAME)] * 2000), facts=old)
    assert given.word is Word.PASS
    assert Code.PROFILE_STALE not in [check.code for check in given.checks]


def test_a_control_that_has_said_too_little_holds_a_fail_back() -> None:
    tally = tally_of([BAD, SAME] * 100) + tally_of([(SAME, SAME)], endpoint="GET /other")
    assert "INSUFFICIENT_CONTROL" in codes(verdict(tally))


def test_preconditions_hold_up_a_pass_and_never_a_fail() -> None:
    sound = tally_of([SAME] * 900)
    troubles: list[tuple[Code, SessionFacts, Tally]] = [
        (Code.STORE_UNAVAILABLE, replace(FACTS, store_unavailable=True), sound),
        (Code.NO_SESSION, replace(FACTS, exists=False), sound),
        (Code.DISCONTINUITY, replace(FACTS, discontinuity=True), sound),
        (Code.CANDIDATE_CHANGED, replace(FACTS, latest_candidate="v3"), sound),
        (Code.CLOCK_JUMP, replace(FACTS, first_us=NOW, last_us=NOW - 20 * MINUTE), sound),
        (Code.CLOCK_JUMP, replace(FACTS, last_us=NOW + 20 * MINUTE), sound),
        (Code.SHORT_WINDOW, replace(FACTS, first_us=NOW - 2 * MINUTE), sound),
        (Code.LAG, replace(FACTS, lag_pairs=9, lag_us=MINUTE), sound),
        (Code.DROPS, replace(FACTS, dropped=10, evicted=10), sound),
        (Code.SKIPS, FACTS, sound + tally_of([Outcome(Result.SKIPPED, (), "truncated")] * 20)),
        (
            Code.LOW_PAIRED_RATIO,
            FACTS,
            sound + added(*[count_unpaired(Role.SHADOW, ENDPOINT, "expired")] * 100),
        ),
        (Code.PROFILE_STALE, replace(FACTS, profile=Profile(sound, NOW - 8 * DAY)), sound),
        (Code.PROFILE_STALE, replace(FACTS, profile=Profile(sound, NOW + DAY)), sound),
    ]
    assert verdict(sound).word is Word.PASS
    for code, facts, tally in troubles:
        held = verdict(tally, facts=facts)
        assert (held.word, code in codes(held)) == (Word.INCONCLUSIVE, True), code
        assert verdict(tally + tally_of([BAD] * 200), facts=facts).word is Word.FAIL, code


def test_what_is_normal_holds_up_nothing() -> None:
    sound = tally_of([SAME] * 900)
    upgraded = tally_of([Outcome(Result.SKIPPED, (), "primary: the connection was upgraded")] * 100)
    assert verdict(sound + upgraded).word is Word.PASS
    not_mirrored = added(*[count_unpaired(Role.PRIMARY, ENDPOINT, "not_mirrored")] * 500)
    assert verdict(sound + not_mirrored).word is Word.PASS
    alone = added(*[count_unpaired(Role.PRIMARY, ENDPOINT, "expired")] * 500)
    assert verdict(sound + alone).word is Word.INCONCLUSIVE
    assert verdict(sound + alone, Policy(mirrored=Mirrored.SAMPLED)).word is Word.PASS
    assert verdict(sound, facts=replace(FACTS, latest_candidate="v2")).word is Word.PASS


def test_changed_rules_are_said_and_decide_nothing() -> None:
    given = verdict(tally_of([SAME] * 900), facts=replace(FACTS, epochs=2))
    assert given.word is Word.PASS
    assert Code.RULES_CHANGED in [check.code for check in given.checks]
    assert verdict_document(given)["epoch"] == 2


def test_a_required_endpoint_must_be_seen_and_pass_by_itself() -> None:
    policy = Policy(required=("GET /rare",))
    much = tally_of([SAME] * 2_000)
    given = verdict(much, policy)
    assert codes(given) == ["REQUIRED_ENDPOINT_UNSEEN"]
    assert given.reasons[0].endpoint == "GET /rare"
    few = much + tally_of([SAME] * 5, endpoint="GET /rare")
    assert verdict(few).word is Word.PASS
    assert codes(verdict(few, policy)) == ["INSUFFICIENT_PAIRS"]


def test_quiet_endpoints_are_judged_together() -> None:
    quiet = Tally()
    for number in range(30):
        quiet += tally_of([SAME] * 40, endpoint=f"GET /quiet/{number}")
    given = verdict(quiet)
    assert given.word is Word.PASS
    assert given.pool is not None
    assert given.pool.differ.total == 1_200
    assert all(one.pooled for one in given.endpoints)
    # They have the time to speak for themselves.
    assert verdict(quiet, now=FACTS.first_us or 0).word is Word.INCONCLUSIVE


def test_quiet_endpoints_that_all_show_the_same_fault_fail_together() -> None:
    quiet = Tally()
    for number in range(40):
        quiet += tally_of([BAD] + [SAME] * 9, endpoint=f"GET /quiet/{number}")
    given = verdict(quiet)
    assert given.word is Word.FAIL
    assert given.reasons[0].endpoint == ""


def test_an_endpoint_may_be_advice_or_off() -> None:
    tally = tally_of([SAME] * 900) + tally_of([BAD] * 50, endpoint="GET /admin")
    assert verdict(tally).word is Word.FAIL
    for mode in (Mode.ADVISORY, Mode.OFF):
        policy = Policy(endpoints=(EndpointPolicy("GET /admin", mode=mode),))
        assert verdict(tally, policy).word is Word.PASS


def test_latency_is_advice_unless_the_policy_says_otherwise() -> None:
    slow = added(
        *(
            count(
                pair(n, primary=Response(200, duration_us=10_000), shadow=Response(200, duration_us=90_000)),
                SAME,
            )
            for n in range(1_000)
        )
    )
    assert verdict(slow).word is Word.PASS
    assert {"LATENCY_BULK", "LATENCY_TAIL"} <= {str(check.code) for check in verdict(slow).checks}
    assert verdict(slow, Policy(latency=Mode.GATING)).word is Word.FAIL


def noisy_ids(shadow: Callable[[int], Finding]) -> Tally:
    """A field of random ids that all three sides give differently, the shadow in its own way."""
    return tally_of(
        [
            (outcome(shadow(n)), outcome(finding(body("id"), primary=f"a{n:08}", shadow=f"b{n:08}")))
            for n in range(1_000)
        ]
    )


def test_a_noisy_field_is_no_blind_spot() -> None:
    same = noisy_ids(lambda n: finding(body("id"), primary=f"a{n:08}", shadow=f"c{n:08}"))
    constant = noisy_ids(lambda n: finding(body("id"), primary=f"a{n:08}", shadow="always-1"))
    dropped = noisy_ids(lambda n: finding(body("id"), Kind.MISSING, f"a{n:08}", None))
    retyped = noisy_ids(lambda n: finding(body("id"), Kind.TYPE, f"a{n:08}", n))
    assert verdict(same).word is Word.PASS
    for changed in (constant, dropped, retyped):
        assert set(codes(verdict(changed))) == {"DISTRIBUTION_CHANGED"}
        assert verdict(changed, Policy(distribution=Mode.ADVISORY)).word is Word.PASS
        assert verdict(changed, Policy(distribution=Mode.OFF)).word is Word.PASS


def test_among_more_noisy_fields_than_are_kept_a_fault_is_still_found() -> None:
    noise = [finding(body(f"n{number}")) for number in range(12)]
    both = outcome(*noise)
    faulty = outcome(*noise, finding(body("price")))
    assert verdict(tally_of([(both, both)] * 3_000)).word is Word.PASS
    given = verdict(tally_of([(faulty if n % 20 == 0 else both, both) for n in range(3_000)]))
    assert (given.word, codes(given)) == (Word.FAIL, ["EXCESS_MISMATCH"])
    assert given.reasons[0].field == "$.price"


def test_a_handful_of_names_may_become_one() -> None:
    pods = [f"orders-{n}-7f9c" for n in range(3)]
    tally = tally_of(
        [
            (
                outcome(finding(body("pod"), primary=pods[n % 3], shadow="orders-v2-8b1d")),
                outcome(finding(body("pod"), primary=pods[n % 3], shadow=pods[(n + 1) % 3])),
            )
            for n in range(1_000)
        ]
    )
    assert verdict(tally).word is Word.PASS


def test_a_broken_control_excuses_nothing() -> None:
    fault = outcome(finding(STATUS, Kind.VALUE, 200, 500))
    gone = outcome(finding(STATUS, Kind.MISSING, 200, None))
    increments = [
        count(
            pair(n, shadow=Response(500 if n % 2 else 200), control=Response(0)),
            fault if n % 2 else SAME,
            gone,
        )
        for n in range(2_000)
    ]
    given = verdict(added(*increments))
    assert (given.word, codes(given)) == (Word.INCONCLUSIVE, ["INSUFFICIENT_CONTROL"])
    healthy = [count(pair(n, control=Response(0)), SAME, gone) for n in range(2_000)]
    assert verdict(added(*healthy)).word is Word.PASS


def test_a_flaky_v1_does_not_widen_what_a_status_is_allowed() -> None:
    fault = outcome(finding(STATUS, Kind.VALUE, 200, 500))
    increments = [
        count(
            pair(
                n,
                shadow=Response(500 if n % 25 == 0 else 200),
                control=Response(500 if n % 400 == 7 else 200),
            ),
            fault if n % 25 == 0 else SAME,
            fault if n % 400 == 7 else SAME,
        )
        for n in range(3_000)
    ]
    given = verdict(added(*increments))
    assert (given.word, codes(given)) == (Word.FAIL, ["EXCESS_MISMATCH"])
    assert given.endpoints[0].report.noisy_fields == ()


def test_methods_that_are_never_mirrored_are_no_loss() -> None:
    sound = tally_of([SAME] * 900)
    posts = added(*[count_unpaired(Role.PRIMARY, "POST /orders", "expired")] * 500)
    assert verdict(sound + posts).word is Word.PASS
    gets = added(*[count_unpaired(Role.PRIMARY, "GET /else", "expired")] * 500)
    held = verdict(sound + gets)
    assert codes(held) == ["LOW_PAIRED_RATIO"]
    assert "mirrored: sampled" in held.reasons[0].message
    assert codes(verdict(posts))[-1] == "LOW_PAIRED_RATIO"


def test_a_fail_over_what_looks_random_points_to_the_rule() -> None:
    ids = tally_of([outcome(finding(body("id"), primary=f"a{n:08}", shadow=f"b{n:08}")) for n in range(60)])
    given = verdict(ids)
    assert given.word is Word.FAIL
    assert "$.id looks random on both sides: see the suggested rules" in given.summary


def test_what_being_undecided_at_the_deadline_means_is_the_policys() -> None:
    undecided = tally_of([SAME] * 400 + [BAD] * 2)
    words = {
        given: verdict(undecided, Policy(deadline=60, on_inconclusive=given, required=(ENDPOINT,))).word
        for given in OnInconclusive
    }
    assert words == {
        OnInconclusive.HOLD: Word.INCONCLUSIVE,
        OnInconclusive.FAIL: Word.FAIL,
        OnInconclusive.PASS: Word.PASS,
    }
    eager = Policy(deadline=60, on_inconclusive=OnInconclusive.PASS)
    waited = SessionFacts("orders", "v2", opened_us=NOW - 10 * MINUTE)
    assert verdict(Tally(), eager, waited).word is Word.INCONCLUSIVE
    lagging = replace(FACTS, lag_us=MINUTE)
    assert verdict(undecided, replace(eager, required=(ENDPOINT,)), lagging).word is Word.INCONCLUSIVE
    strict = Policy(deadline=60, on_inconclusive=OnInconclusive.FAIL)
    assert codes(verdict(Tally(), strict, waited)) == ["DEADLINE"]


def test_a_report_made_with_another_policy_is_made_anew() -> None:
    strict = Policy(tolerance=0.0001)
    given = judge(summarise(tally_of([SAME] * 900), FACTS), strict, FACTS, NOW)
    assert given.report.policy == strict
    assert given.endpoints[0].report.excess.tolerance == 0.0001
    assert given.word is Word.INCONCLUSIVE


def test_the_first_decision_stands_but_fail_replaces_pass() -> None:
    passed, failed = verdict(tally_of([SAME] * 900)), verdict(tally_of([BAD] * 20))
    undecided = verdict(tally_of([SAME] * 20))
    assert latch(None, undecided) is None
    first = latch(None, passed)
    assert first is not None
    assert (first.verdict, first.pairs, first.decided_us) == (Word.PASS, 900, NOW)
    assert latch(first, undecided) == first
    assert latch(first, replace(passed, now_us=NOW + 1)) == first
    turned = latch(first, failed)
    assert turned is not None
    assert turned.verdict is Word.FAIL
    assert latch(turned, passed) == turned
    shown = standing(undecided, turned)
    assert (shown.word, shown.final, codes(shown)) == (Word.FAIL, True, ["EXCESS_MISMATCH"])
    assert standing(undecided, None) is undecided


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, epoch="e2"),
        replace(FACTS, candidate="v3"),
        replace(FACTS, session="s2"),
        replace(FACTS, profile=Profile(tally_of([SAME] * 20), NOW)),
    ],
)
def test_a_decision_does_not_stand_for_other_evidence(facts: SessionFacts) -> None:
    failed = latch(None, verdict(tally_of([BAD] * 20)))
    assert latch(failed, verdict(tally_of([SAME] * 20), facts=facts)) is None


def test_a_decision_does_not_stand_under_another_policy() -> None:
    failed = latch(None, verdict(tally_of([BAD] * 20)))
    assert latch(failed, verdict(tally_of([SAME] * 20), Policy(tolerance=0.02))) is None


def test_a_latched_decision_survives_being_kept_as_json() -> None:
    decided = latch(None, verdict(tally_of([BAD] * 20)))
    assert msgspec.json.decode(msgspec.json.encode(decided), type=Latched) == decided


def test_the_document_has_every_check_and_can_be_read_by_machines() -> None:
    given = verdict(
        tally_of([SAME] * 612 + [BAD]), facts=replace(FACTS, report_uri="https://r/1", gate="release")
    )
    document = verdict_document(given)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["verdict"] == "INCONCLUSIVE"
    assert document["pairs"] == "613"
    assert document["pairedRatio"] == 1.0
    assert document["final"] is False
    assert document["candidate"] == "v2"
    assert document["reportUri"] == "https://r/1"
    assert str(document["name"]).startswith("services/orders/gates/release/verdicts/2026-")
    endpoints = document["endpoints"]
    assert isinstance(endpoints, list)
    (endpoint,) = endpoints
    assert endpoint["route"] == ENDPOINT
    assert (endpoint["n"], endpoint["mismatches"], endpoint["noise"]) == (613, 1, None)
    assert endpoint["excess"]["tolerance"] == 0.005
    assert endpoint["excess"]["lower"] <= 1 / 613 <= endpoint["excess"]["upper"]
    reasons = document["reasons"]
    assert isinstance(reasons, list)
    assert reasons[0]["code"] == "INSUFFICIENT_PAIRS"
    assert reasons[0]["endpoint"] == ENDPOINT
    assert reasons[0]["have"] == 613
    assert reasons[0]["needEstimate"] > 613
    checks = document["checks"]
    assert isinstance(checks, list)
    assert len(checks) == len(given.checks)
    assert all({"code", "name", "result", "mode"} <= set(check) for check in checks)


def test_the_etag_changes_with_the_verdict_and_not_with_time() -> None:
    tally = tally_of([SAME] * 900)
    first, later = verdict_document(verdict(tally)), verdict_document(verdict(tally, now=NOW + 1_000_000))
    assert first["etag"] == later["etag"]
    assert first["time"] != later["time"]
    assert verdict_document(verdict(tally + tally_of([BAD])))["etag"] != first["etag"]


def test_a_time_that_no_calendar_has_is_no_error() -> None:
    given = verdict(tally_of([SAME]), now=10**22)
    assert verdict_document(given)["time"] is None


outcomes = st.sampled_from([SAME, BAD, outcome(finding(STATUS)), outcome(finding(body("b"), Kind.MISSING))])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(outcomes, outcomes) | outcomes, max_size=40),
    st.integers(1, 60),
    st.booleans(),
    st.sampled_from(OnInconclusive),
)
def test_the_overall_word_follows_from_the_checks(
    examined: list[tuple[Outcome, Outcome] | Outcome], times: int, unavailable: bool, late: OnInconclusive
) -> None:
    policy = Policy(on_inconclusive=late)
    given = verdict(tally_of(examined * times), policy, replace(FACTS, store_unavailable=unavailable))
    gating = {check.result for check in given.checks if check.mode is Mode.GATING}
    assert (given.word is Word.FAIL) == (Word.FAIL in gating)
    if given.word is Word.PASS:
        assert gating == {Word.PASS}
        assert given.report.totals.compared >= policy.min_pairs
        assert not unavailable
    if given.word is not Word.PASS:
        assert given.reasons
    json.dumps(verdict_document(given), allow_nan=False)
