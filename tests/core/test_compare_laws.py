"""What holds for every pair."""

from __future__ import annotations

import random
from datetime import date

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from differ.core.compare import Where, compare
from differ.core.model import Disposition, Kind, Response, Result
from differ.core.pair_documents import encode, parse, result_document
from differ.core.rules import NO_RULES, RuleSet, parse_rules
from tests.core.strategies import answer, fields, in_path_order, json_values, responses, spelled

WHERE = Where("shop", "GET /")

MIRROR = {Kind.MISSING: Kind.EXTRA, Kind.EXTRA: Kind.MISSING}

PATTERNS = ("$.a", "$..a", "$.id", "$..id", "$.a.b", "$[0]", "$.b[*]", "header.x-a", "header.vary", "status")


def ignoring(patterns: list[str]) -> RuleSet:
    rules = "".join(f"  - ignore: {{field: {pattern!r}}}\n    note: agreed\n" for pattern in set(patterns))
    return parse_rules(f"rules:\n{rules}" if rules else "rules: []")


@given(responses)
def test_a_response_is_the_same_as_itself(response: Response) -> None:
    outcome = compare(response, response, NO_RULES, WHERE)
    assert outcome.findings == ()
    assert outcome.result is (Result.SAME if response.end == "complete" else Result.SKIPPED)


def assert_mirrored(primary: Response, shadow: Response) -> None:
    there = compare(primary, shadow, NO_RULES, WHERE)
    back = compare(shadow, primary, NO_RULES, WHERE)
    assert there.result is back.result
    mirrored = [
        (field, str(MIRROR.get(Kind(kind), Kind(kind))), after, before)
        for field, kind, before, after in fields(back)
    ]
    assert fields(there) == sorted(mirrored, key=repr)


@given(responses, responses)
def test_swapping_the_sides_mirrors_every_difference(primary: Response, shadow: Response) -> None:
    assert_mirrored(primary, shadow)


@given(json_values, json_values)
def test_swapping_json_mirrors_every_difference(left: object, right: object) -> None:
    assert_mirrored(answer(spelled(left)), answer(spelled(right)))


@given(responses, responses)
def test_the_outcome_says_what_the_findings_say(primary: Response, shadow: Response) -> None:
    outcome = compare(primary, shadow, NO_RULES, WHERE)
    assert (outcome.result is Result.DIFFERENT) is (outcome.findings != ())
    assert (outcome.result is Result.SKIPPED) is (outcome.reason != "")
    assert in_path_order(outcome)


@given(responses, responses, st.lists(st.sampled_from(PATTERNS)), st.sampled_from(PATTERNS))
def test_one_more_ignore_never_adds_a_regression(
    primary: Response, shadow: Response, patterns: list[str], more: str
) -> None:
    before = compare(primary, shadow, ignoring(patterns), WHERE)
    after = compare(primary, shadow, ignoring([*patterns, more]), WHERE)
    assert [finding.difference for finding in after.findings] == [
        finding.difference for finding in before.findings
    ]
    regressions = {
        finding.difference.path
        for finding in before.findings
        if finding.disposition is Disposition.REGRESSION
    }
    assert all(
        finding.difference.path in regressions
        for finding in after.findings
        if finding.disposition is Disposition.REGRESSION
    )


@given(json_values, json_values, st.lists(st.sampled_from(PATTERNS)))
def test_ignoring_hides_nothing(left: object, right: object, patterns: list[str]) -> None:
    plain = compare(answer(spelled(left)), answer(spelled(right)), NO_RULES, WHERE)
    ruled = compare(answer(spelled(left)), answer(spelled(right)), ignoring(patterns), WHERE)
    assert fields(plain) == fields(ruled)
    assert all(
        (finding.disposition is Disposition.IGNORED) is bool(finding.rule) for finding in ruled.findings
    )


@given(json_values, st.randoms(use_true_random=False))
def test_json_in_another_spelling_is_the_same(value: object, draw: random.Random) -> None:
    outcome = compare(answer(spelled(value)), answer(spelled(value, draw)), NO_RULES, WHERE)
    assert outcome.result is Result.SAME, outcome.findings


@given(responses, responses)
def test_every_result_is_a_document(primary: Response, shadow: Response) -> None:
    outcome = compare(primary, shadow, NO_RULES, WHERE)
    document = result_document("name", outcome)
    assert isinstance(parse(encode(document), "result"), dict)
    for finding in outcome.findings:
        for value in (finding.difference.primary, finding.difference.shadow):
            assert len(encode(value)) <= 1200


@given(responses, responses)
def test_how_long_an_answer_took_is_no_difference(primary: Response, shadow: Response) -> None:
    slow = replace(shadow, duration_us=10**9)
    assert compare(primary, slow, NO_RULES, WHERE) == compare(primary, shadow, NO_RULES, WHERE)


@given(json_values, json_values)
def test_rules_of_no_scope_cost_nothing(left: object, right: object) -> None:
    elsewhere = parse_rules("rules:\n  - ignore: {field: $..a}\n    where: {service: other}\n    note: n\n")
    rules = elsewhere.effective(date(2026, 1, 1), "v2")
    pair = answer(spelled(left)), answer(spelled(right))
    assert compare(*pair, rules, WHERE) == compare(*pair, NO_RULES, WHERE)
