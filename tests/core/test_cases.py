"""The case tables: pairs with the judgement that is right, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from differ.core.compare import Where, compare
from differ.core.pair_documents import response_from, result_document
from differ.core.rules import NO_RULES, parse_rules

TABLES = sorted((Path(__file__).parents[1] / "cases").glob("*.jsonl"))

TODAY = date(2026, 11, 23)
CANDIDATE = "v2"

MIRRORED = {"missing": "extra", "extra": "missing"}


def cases() -> Iterator[Any]:
    for table in TABLES:
        for line in table.read_text().splitlines():
            case = json.loads(line)
            yield pytest.param(case, id=f"{table.stem}: {case['name']}")


def judged(case: dict[str, Any], first: str, second: str) -> dict[str, Any]:
    rules = parse_rules(case["rules"]) if case["rules"] else NO_RULES
    where = Where(**case.get("where", {"service": "shop", "endpoint": "GET /"}))
    outcome = compare(
        response_from(case[first], first),
        response_from(case[second], second),
        rules.effective(TODAY, CANDIDATE),
        where,
    )
    return result_document(case["name"], outcome)


@pytest.mark.parametrize("case", list(cases()))
def test_a_pair_is_judged_as_the_table_says(case: dict[str, Any]) -> None:
    found = judged(case, "primary", "shadow")
    expected = case["expected"]
    assert [
        {key: difference[key] for key in ("path", "kind", "disposition")}
        for difference in found["differences"]
    ] == expected["differences"], case["reason"]
    assert (found["outcome"], found["reason"]) == (expected["outcome"], expected.get("reason", ""))


def test_the_tables_say_enough() -> None:
    lines = [json.loads(line) for table in TABLES for line in table.read_text().splitlines()]
    assert len(lines) >= 200
    assert len(TABLES) >= 12
    for case in lines:
        assert case.keys() - {"where"} == {"name", "primary", "shadow", "rules", "expected", "reason"}
        assert case["reason"]
