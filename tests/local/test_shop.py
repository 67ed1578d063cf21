"""The demo's services: v2 has the planted faults and nothing else, whatever is asked of it."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from typing import Any

import pytest

from differ.local.shop import answer, requests

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
PATHS = requests(2000)


def both(path: str) -> tuple[tuple[int, list[tuple[str, str]], Any], tuple[int, list[tuple[str, str]], Any]]:
    (s1, h1, b1), (s2, h2, b2) = (answer(version, path, NOON) for version in ("v1", "v2"))
    return (s1, h1, json.loads(b1 or b"null")), (s2, h2, json.loads(b2 or b"null"))


def test_requests_differ_and_reach_every_endpoint_as_often() -> None:
    assert len(set(PATHS)) == len(PATHS) == 2000
    endpoints = Counter(re.sub(r"\d+", "0", path) for path in PATHS)
    assert set(endpoints.values()) == {400}
    assert len(endpoints) == 5


def test_every_request_is_answered_by_v1() -> None:
    assert {answer("v1", path, NOON)[0] for path in PATHS} == {200, 204}


def test_v2_differs_in_the_planted_faults_alone() -> None:
    found: Counter[str] = Counter()
    for path in PATHS:
        (s1, h1, b1), (s2, h2, b2) = both(path)
        endpoint = re.sub(r"\d+", "0", path)
        if s1 != s2:
            found[f"{endpoint} {s1} {s2}"] += 1
        for name, _ in set(h1) ^ set(h2):
            found[f"{endpoint} {name}"] += 1
        if endpoint == "/orders/0" and b1["totals"]["tax"] != b2["totals"]["tax"]:
            found[f"{endpoint} tax"] += 1
            assert round(b1["totals"]["tax"] - b2["totals"]["tax"], 2) == 0.01
            b2["totals"]["tax"] = b1["totals"]["tax"]
        if endpoint == "/products/0":
            del b1["package"]["weight_grams"]
            found[f"{endpoint} weight"] += "weight_grams" not in b2["package"]
        assert b1 == b2
    assert found == {
        "/orders/0 tax": 133,
        "/products/0 weight": 400,
        "/customers/0 cache-control": 400,
        "/customers/0/alerts 204 500": 400,
    }


@pytest.mark.parametrize("path", ["/orders/7", "/products/7", "/customers/7", "/orders?page=2"])
def test_bodies_are_of_ordinary_size_and_say_when_they_were_made(path: str) -> None:
    _, _, body = answer("v1", path, NOON)
    assert 1000 <= len(body) <= 2500
    assert json.loads(body)["served_at"] == "2026-11-23T12:00:00.000+00:00"


def test_an_unknown_page_is_not_found() -> None:
    assert answer("v1", "/nothing", NOON)[0] == 404
