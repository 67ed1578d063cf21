"""Reports: what comes first, what is noise, which rules helped, and what to propose."""

from __future__ import annotations

import uuid
from random import Random

import pytest
import yaml

from differ.core.facts import Profile, SessionFacts
from differ.core.model import Disposition, Kind, Outcome, Response, Result, Role
from differ.core.noise import CLOCK
from differ.core.noise_arm import Source
from differ.core.pair import Arrival
from differ.core.paths import Part, Path
from differ.core.policy import Mode, Policy
from differ.core.rate import Rate
from differ.core.report import EndpointReport, Report, ServeTime, State, summarise
from differ.core.risk import Risk, Worry, is_critical, is_failure, risk, worry
from differ.core.rules import parse_rules
from differ.core.tally import Tally, count, count_unpaired
from tests.core.evidence_kit import ENDPOINT, SAME, STATUS, added, body, finding, outcome, pair, tally_of

FACTS = SessionFacts("orders", "v2")


def only(report: Report) -> EndpointReport:
    (endpoint,) = report.endpoints
    return endpoint


def statuses(endpoint: str, code: int, pairs: int, of: int) -> Tally:
    broken = outcome(finding(STATUS, Kind.VALUE, 200, code))
    return added(
        *(count(pair(n, endpoint=endpoint, shadow=Response(code)), broken) for n in range(pairs)),
        *(count(pair(n, endpoint=endpoint), SAME) for n in range(pairs, of)),
    )


def test_endpoints_are_ranked_by_what_a_caller_would_notice() -> None:
    def field(endpoint: str, kind: Kind, pairs: int) -> Tally:
        return tally_of(
            [outcome(finding(body("a"), kind))] * pairs + [SAME] * (20 - pairs), endpoint=endpoint
        )

    tally = (
        field("GET /extra", Kind.EXTRA, 20)
        + field("GET /order", Kind.ORDER, 20)
        + field("GET /value-often", Kind.VALUE, 15)
        + field("GET /value-seldom", Kind.VALUE, 3)
        + field("GET /retyped", Kind.TYPE, 1)
        + statuses("GET /moved", 302, 1, 20)
        + statuses("GET /broken", 500, 1, 20)
        + tally_of([SAME] * 20, endpoint="GET /same")
    )
    assert [one.endpoint for one in summarise(tally, FACTS).endpoints] == [
        "GET /broken",
        "GET /moved",
        "GET /retyped",
        "GET /value-often",
        "GET /value-seldom",
        "GET /order",
        "GET /extra",
        "GET /same",
    ]


def test_risk_is_high_for_what_breaks_callers_and_low_for_what_is_added() -> None:
    assert risk("status", Kind.VALUE) is Risk.HIGH
    assert risk("trailer.grpc-status", Kind.VALUE) is Risk.HIGH
    assert risk("$.a", Kind.MISSING) is risk("$.a", Kind.TYPE) is Risk.HIGH
    assert risk("$.a", Kind.VALUE) is risk("$.a", Kind.ORDER) is Risk.MEDIUM
    assert risk("header.etag", Kind.MISSING) is Risk.MEDIUM
    assert risk("$.a", Kind.EXTRA) is risk("header.x-new", Kind.EXTRA) is Risk.LOW


def test_a_failure_is_a_fault_that_v1_did_not_have() -> None:
    assert (
        worry("status", Kind.VALUE, "200→500") is worry("status", Kind.MISSING, "404→none") is Worry.FAILURE
    )
    assert worry("trailer.grpc-status", Kind.VALUE, "0→13") is Worry.FAILURE
    assert [is_failure(codes) for codes in ("500→503", "none→500", "200→404", "0→5", "")] == [False] * 5
    assert [is_critical(codes) for codes in ("200→500", "204→none", "0→14")] == [True] * 3
    assert [is_critical(codes) for codes in ("404→500", "5→13", "2→13", "200→404")] == [False] * 4


def test_control_noise_is_left_out_of_the_endpoint_and_shown_at_its_field() -> None:
    noise, fault = finding(body("seq")), finding(body("price"))
    random = Random(3)
    examined: list[tuple[Outcome, Outcome]] = []
    for number in range(400):
        shadow = [noise] * (random.random() < 0.3) + [fault] * (number % 50 == 0)
        control = [noise] * (random.random() < 0.3)
        examined.append((outcome(*shadow), outcome(*control)))
    report = only(summarise(tally_of(examined), FACTS))
    assert report.noise_source is Source.CONTROL
    assert report.excess.differ == Rate(8, 400)
    assert report.excess.noise == Rate(0, 400)
    by_name = {one.field: one for one in report.fields}
    assert by_name["$.seq"].noisy
    assert not by_name["$.price"].noisy
    seq = by_name["$.seq"]
    assert seq.noise is not None
    assert 80 < seq.noise.count < 160
    # What both sides do cancels.
    assert seq.excess.differ.count < seq.differ.count
    assert report.state is State.REGRESSED
    assert report.fields[0].field == "$.price"


def test_a_profile_serves_where_there_is_no_control() -> None:
    noise = finding(body("seq"))
    profile = tally_of([outcome(noise), SAME] * 100)
    report = only(
        summarise(
            tally_of([outcome(noise), SAME] * 100), SessionFacts("orders", "v2", profile=Profile(profile, 0))
        )
    )
    assert report.noise_source is Source.PROFILE
    assert report.state is State.ONLY_NOISE
    assert report.excess.differ == Rate(0, 200)


def test_noise_of_an_endpoint_that_the_profile_never_saw_is_zero() -> None:
    profile = Profile(tally_of([SAME], endpoint="GET /else"), 0)
    report = only(
        summarise(tally_of([outcome(finding(body("a")))]), SessionFacts("orders", "v2", profile=profile))
    )
    assert report.noise_source is None
    assert report.excess.noise is None


def test_pairs_with_too_many_fields_to_name_count_as_different() -> None:
    wide = outcome(*(finding(body(f"f{n}")) for n in range(40)))
    report = only(summarise(tally_of([(wide, wide)] * 10), FACTS))
    assert report.excess.differ == Rate(10, 10)
    assert report.excess.noise == Rate(10, 10)


def test_rules_are_listed_with_what_they_ignored_even_nothing() -> None:
    ignored = finding(body("at"), disposition=Disposition.IGNORED, rule="r-clock")
    facts = SessionFacts("orders", "v2", rules={"r-clock": "wall clock", "r-idle": "matches nothing"})
    report = summarise(tally_of([outcome(ignored)] * 3), facts)
    assert [(rule.id, rule.note, rule.ignored) for rule in report.rules] == [
        ("r-clock", "wall clock", 3),
        ("r-idle", "matches nothing", 0),
    ]


def test_what_was_not_compared_is_totalled() -> None:
    cut = Outcome(Result.SKIPPED, (), "truncated")
    tally = tally_of([SAME, outcome(finding(body("a"))), cut]) + added(
        count_unpaired(Role.SHADOW, ENDPOINT, "expired"), count(pair(9, ambiguous=True, retried=True), SAME)
    )
    totals = summarise(tally, FACTS).totals
    assert (totals.same, totals.different, totals.compared, totals.examined) == (2, 1, 3, 4)
    assert totals.skipped == {"truncated": 1}
    assert totals.unpaired == {("shadow", "expired"): 1}
    assert (totals.ambiguous, totals.retried) == (1, 1)


def test_an_endpoint_with_nothing_compared_says_so() -> None:
    tally = added(count_unpaired(Role.PRIMARY, ENDPOINT, "expired"))
    assert only(summarise(tally, FACTS)).state is State.NOT_COMPARED


def ids(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128)))


def test_a_field_of_random_ids_is_proposed_as_a_rule_to_paste() -> None:
    random = Random(5)
    examined = [outcome(finding(body("trace"), primary=ids(random), shadow=ids(random))) for _ in range(60)]
    (suggestion,) = summarise(tally_of(examined), FACTS).suggestions
    (rule,) = parse_rules(f"rules:\n{suggestion.rule}").rules
    assert "UUID" in rule.note
    (plain,) = yaml.safe_load(suggestion.rule)
    assert plain["ignore"] == {"field": "$.trace"}
    assert plain["where"] == {"service": "orders", "endpoint": ENDPOINT}


@pytest.mark.parametrize(
    "path",
    [
        body("items", 3, "id"),
        body("a b", "it's", "x\ny", "back\\slash", 'quo"te', "café", "*"),
        body(""),
        Path(Part.HEADER, "x-token"),
        Path(Part.TRAILER, "x-sum"),
    ],
)
def test_a_suggested_rule_ignores_what_it_was_suggested_for(path: Path) -> None:
    random = Random(5)
    examined = [outcome(finding(path, primary=ids(random), shadow=ids(random))) for _ in range(60)]
    (suggestion,) = summarise(tally_of(examined), FACTS).suggestions
    rules = parse_rules(f"rules:\n{suggestion.rule}")
    scoped = rules.scoped("orders", ENDPOINT, 200)
    assert scoped is not None
    assert scoped.judge(path, Kind.VALUE, "a", "b") is rules.rules[0]
    assert scoped.judge(Path(Part.STATUS), Kind.VALUE, 200, 500) is None


def test_nobody_is_told_to_ignore_a_status_or_a_whole_body() -> None:
    random = Random(5)
    for path in (body(), STATUS, Path(Part.TRAILER, "grpc-status")):
        noisy = [outcome(finding(path, primary=ids(random), shadow=ids(random))) for _ in range(60)]
        assert summarise(tally_of(noisy), FACTS).suggestions == ()
        assert summarise(tally_of([(one, one) for one in noisy]), FACTS).suggestions == ()


def test_nothing_is_proposed_that_would_hide_a_fault() -> None:
    random = Random(5)

    def tally(*pairs: tuple[object, object], control: bool = False) -> Tally:
        found = [outcome(finding(body("x"), primary=before, shadow=after)) for before, after in pairs]
        return tally_of([(one, SAME) for one in found] if control else found)

    became_constant = tally(*((ids(random), ids(Random(1))) for _ in range(60)))
    became_random = tally(*((7, ids(random)) for _ in range(60)))
    always_another_word = tally(*(("yes", "no") for _ in range(60)))
    v1_agrees_with_itself = tally(*((ids(random), ids(random)) for _ in range(60)), control=True)
    too_few = tally(*((ids(random), ids(random)) for _ in range(10)))
    for one in (became_constant, became_random, always_another_word, v1_agrees_with_itself, too_few):
        assert summarise(one, FACTS).suggestions == ()


def test_a_field_that_v1_is_noisy_about_is_proposed_too() -> None:
    noise = outcome(finding(body("seq")))
    (suggestion,) = summarise(tally_of([(noise, noise)] * 5 + [(SAME, SAME)] * 15), FACTS).suggestions
    assert "v1 disagrees with itself here in 25 % of 20 pairs" in suggestion.why


def test_a_random_id_that_became_constant_is_found_and_one_that_did_not_is_not() -> None:
    random = Random(8)

    def tally(shadow: str | None) -> Tally:
        examined = []
        for _ in range(400):
            primary = ids(random)
            mine = finding(body("id"), primary=primary, shadow=shadow or ids(random))
            other = finding(body("id"), primary=primary, shadow=ids(random))
            examined.append((outcome(mine), outcome(other)))
        return tally_of(examined)

    (constant,) = only(summarise(tally("00000000-0000-0000-0000-000000000000"), FACTS)).fields
    assert [change.what for change in constant.changes] == ["always the same value"]
    (still_random,) = only(summarise(tally(None), FACTS)).fields
    assert still_random.changes == ()
    off = Policy(distribution=Mode.OFF)
    assert only(summarise(tally("always"), FACTS, off)).fields[0].changes == ()


def test_a_share_of_nulls_that_jumped_is_found() -> None:
    random = Random(9)
    examined = []
    for number in range(600):
        primary = ids(random)
        mine = finding(body("id"), primary=primary, shadow=None if number % 3 == 0 else ids(random))
        other = finding(body("id"), primary=primary, shadow=ids(random))
        examined.append((outcome(mine), outcome(other)))
    (field,) = only(summarise(tally_of(examined), FACTS)).fields
    assert "null" in [change.what for change in field.changes]


def test_latency_sees_a_shift_and_a_tail() -> None:
    random = Random(4)

    def tally(slow: float, share: float) -> Tally:
        def duration() -> int:
            return int(20_000 * random.lognormvariate(0, 0.1))

        return added(
            *(
                count(
                    pair(
                        n,
                        primary=Response(200, duration_us=duration()),
                        shadow=Response(
                            200, duration_us=int(duration() * (slow if random.random() < share else 1))
                        ),
                    ),
                    SAME,
                )
                for n in range(4_000)
            )
        )

    same = only(summarise(tally(1, 1), FACTS)).latency
    shifted = only(summarise(tally(1.6, 1), FACTS)).latency
    tail = only(summarise(tally(8, 0.05), FACTS)).latency
    assert same is not None
    assert shifted is not None
    assert tail is not None
    assert (str(same.bulk.word), str(shifted.bulk.word), str(tail.tail.word)) == ("PASS", "FAIL", "FAIL")
    assert str(same.tail.word) != "FAIL"
    assert 0.8 < same.shadow_median_us / 20_000 < 1.3
    assert only(summarise(tally(1, 1), FACTS, Policy(latency=Mode.OFF))).latency is None


def test_serve_time_values_are_listed_with_their_evidence() -> None:
    noise = finding(body("at"), disposition=Disposition.NOISE, rule=CLOCK)
    report = summarise(tally_of([outcome(noise)] * 4), FACTS)
    assert report.serve_time == (ServeTime(ENDPOINT, "$.at", CLOCK, 4),)
    assert only(report).state is State.ONLY_NOISE


def test_the_time_between_the_answers_is_shown_for_same_and_different_pairs() -> None:
    def tally(gap_us: int, result: Outcome) -> Tally:
        primary, shadow = Response(200, duration_us=5_000), Response(200, duration_us=5_000)
        return added(
            *(
                count(
                    pair(
                        n,
                        primary=primary,
                        shadow=shadow,
                        primary_arrival=Arrival(10**15),
                        shadow_arrival=Arrival(10**15 + gap_us),
                    ),
                    result,
                )
                for n in range(10)
            )
        )

    report = summarise(tally(1_000, SAME) + tally(90_000, outcome(finding(body("a")))), FACTS)
    assert report.gap_same is not None
    assert report.gap_different is not None
    assert report.gap_same.pairs == report.gap_different.pairs == 10
    assert 1_000 < report.gap_same.median_us < 1_200
    assert 90_000 < report.gap_different.median_us < 108_000
    assert summarise(tally_of([SAME]), FACTS).gap_same is None


def test_an_empty_session_has_an_empty_report() -> None:
    report = summarise(Tally(), FACTS)
    assert report.endpoints == ()
    assert report.totals.examined == 0
    assert list(report.signatures) == []
