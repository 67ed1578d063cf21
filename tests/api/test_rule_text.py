"""Rules proposed for what was found are rules, and do what they say."""

from __future__ import annotations

from datetime import date

import pytest

from differ.core.examine import examine, signatures_shown
from differ.core.model import Disposition
from differ.core.rules import parse_rules
from differ.core.signature import signature_of
from differ.report.rule_text import accepting, ignoring
from tests.api.seeding import Seed

CASES = [
    ({"a": 1}, {"a": 2}, (200, 200)),
    ({"a": 1}, {"a": "1"}, (200, 200)),
    ({"a": 1}, {}, (200, 200)),
    ({}, {"a b": 1}, (200, 200)),
    ({"list": [1, 2, 3]}, {"list": [3, 2, 1]}, (200, 200)),
    ({"items": [{"x": "a'b\"c: #"}]}, {"items": [{"x": "d"}]}, (200, 200)),
    ({"a": 1}, {"a": 1}, (200, 201)),
]


@pytest.mark.parametrize(("primary", "shadow", "statuses"), CASES)
def test_each_finding_can_be_accepted_by_the_rule_proposed(
    primary: object, shadow: object, statuses: tuple[int, int]
) -> None:
    seed = Seed(service="orders: api", candidate="4.19.0-rc2")
    seed.pair(primary, shadow, statuses=statuses)
    pair = seed.pairs[0][0]
    found = examine(pair, seed.rules).outcome.findings
    assert found
    signatures = [signature_of(pair, finding) for finding in found]
    for texts in (
        [accepting(each, pair.service, pair.candidate) for each in signatures],
        [ignoring(each, pair.service) for each in signatures],
    ):
        if not any(texts):
            assert found[0].difference.path.part == "status"  # which nobody ignores
            continue
        rules = parse_rules("rules:\n" + "\n".join(texts)).effective(date(2026, 11, 23), pair.candidate)
        again = examine(pair, rules).outcome
        assert {finding.disposition for finding in again.findings} == {Disposition.IGNORED}
        assert len(signatures_shown(pair, again)) == len(found)


def test_a_change_accepted_of_one_candidate_is_not_accepted_of_the_next() -> None:
    seed = Seed(candidate="v2")
    seed.pair({"a": 1}, {"a": 2})
    pair = seed.pairs[0][0]
    (finding,) = examine(pair, seed.rules).outcome.findings
    text = accepting(signature_of(pair, finding), "orders", "v2")
    later = parse_rules(f"rules:\n{text}").effective(date(2026, 11, 23), "v3")
    (again,) = examine(pair, later).outcome.findings
    assert again.disposition is Disposition.REGRESSION
