"""A/A: v2 is v1. From bytes to verdict, clocks and random ids in the body are no reason to hold a release."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from differ.core.examine import examine
from differ.core.excess import Word
from differ.core.facts import SessionFacts
from differ.core.model import Response
from differ.core.pair import Arrival, Pair
from differ.core.policy import Policy
from differ.core.report import State, summarise
from differ.core.rules import RuleSet
from differ.core.tally import Tally
from differ.core.verdict import Verdict, judge
from tests.core.evidence_kit import ENDPOINT, added

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = Policy(min_duration=0)


class Service:
    """Answers like a shop: an amount that follows from the order, and what each answer makes anew."""

    def __init__(self, seed: int, *, random_id: bool = False) -> None:
        self._random = Random(seed)
        self._random_id = random_id

    def answer(self, number: int, at: datetime, request_id: str) -> Response:
        served = at + timedelta(milliseconds=self._random.randrange(3, 400))
        document: dict[str, object] = {
            "id": number,
            "total": 19.9 + number,
            "served_at": served.isoformat(),
            "generated": int(served.timestamp()),
            "request": request_id,
            "items": [{"sku": f"sku-{n}", "price": n * 1.5} for n in range(number % 4)],
        }
        if self._random_id:
            document["trace"] = str(uuid.UUID(int=self._random.getrandbits(128)))
        headers = (
            ("content-type", "application/json"),
            ("last-modified", served.strftime("%a, %d %b %Y %H:%M:%S GMT")),
        )
        return Response(200, headers, json.dumps(document).encode(), duration_us=500_000)


def mirrored(pairs: int, *, control: bool, random_id: bool) -> Tally:
    random = Random(1)
    roles = [Service(seed, random_id=random_id) for seed in range(3)]
    increments = []
    for number in range(pairs):
        arrivals, answers = [], []
        for role in roles:
            at = START + timedelta(seconds=number, milliseconds=random.randrange(900))
            request_id = str(uuid.UUID(int=random.getrandbits(128)))
            arrivals.append(Arrival(int(at.timestamp() * 1_000_000), (request_id,)))
            answers.append(role.answer(number, at, request_id))
        pair = Pair(
            service="orders",
            candidate="v2",
            primary_version="v1",
            endpoint=ENDPOINT,
            request_id=arrivals[0].ids[0],
            method="GET",
            path=f"/orders/{number}",
            primary=answers[0],
            shadow=answers[1],
            control=answers[2] if control else None,
            primary_arrival=arrivals[0],
            shadow_arrival=arrivals[1],
            control_arrival=arrivals[2],
        )
        increments.append(examine(pair, RuleSet.EMPTY).counts)
    return added(*increments)


def verdict(tally: Tally) -> Verdict:
    facts = SessionFacts("orders", "v2", first_us=0, last_us=0)
    return judge(summarise(tally, facts, POLICY), POLICY, facts, 0)


@pytest.mark.parametrize(("control", "random_id"), [(False, False), (True, False), (True, True)])
def test_a_copy_of_v1_passes_with_no_rule(*, control: bool, random_id: bool) -> None:
    given = verdict(mirrored(1_000, control=control, random_id=random_id))
    assert given.word is Word.PASS, given.summary
    assert given.report.endpoints[0].state is State.ONLY_NOISE
    assert {one.field for one in given.report.serve_time} >= {
        "$.served_at",
        "$.request",
        "header.last-modified",
    }


def test_random_ids_without_a_control_are_proposed_as_a_rule() -> None:
    given = verdict(mirrored(60, control=False, random_id=True))
    assert [one.field for one in given.report.suggestions] == ["$.trace"]
    assert [reason.endpoint for reason in given.reasons] == [ENDPOINT]
    assert "$.trace looks random on both sides" in given.summary


def test_twenty_pairs_of_a_copy_are_not_enough() -> None:
    given = verdict(mirrored(20, control=True, random_id=True))
    assert given.word is Word.INCONCLUSIVE
    assert given.need is not None
