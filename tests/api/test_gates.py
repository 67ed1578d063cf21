"""Gates as those who ask see them: an answer always, and always the same kind."""

from __future__ import annotations

import asyncio

import pytest

from differ.api.fresh import Age
from differ.core.policy import Policy
from mirrordiff.process.redis import Client, connect
from mirrordiff.v1 import report_service_pb2 as messages
from tests.api.conftest import Api, running
from tests.api.seeding import Seed, planted

GATE = "/v1/services/orders/gates/default/verdict"


async def verdict(api: Api, **parameters: str) -> tuple[str, list[str]]:
    """The word and the codes of its reasons, the same over both APIs."""
    answer = await api.http.get(GATE, params=parameters)
    assert answer.status_code == 200
    document = answer.json()
    codes = [reason["code"] for reason in document["reasons"]]
    message = await api.stub.GetVerdict(
        messages.GetVerdictRequest(name="services/orders/gates/default", **parameters)
    )
    assert (message.verdict, [reason.code for reason in message.reasons]) == (document["verdict"], codes)
    return document["verdict"], codes


async def test_pass(api: Api, redis: Client) -> None:
    seed = Seed()
    seed.same(1000)
    await seed.write(redis)
    assert await verdict(api) == ("PASS", [])


async def test_fail(api: Api, redis: Client) -> None:
    await planted(Seed()).write(redis)
    word, codes = await verdict(api)
    assert word == "FAIL"
    assert codes[0] == "CRITICAL"


async def test_too_little_is_inconclusive(api: Api, redis: Client) -> None:
    seed = Seed()
    seed.same(20)
    await seed.write(redis)
    word, codes = await verdict(api)
    assert word == "INCONCLUSIVE"
    assert "INSUFFICIENT_PAIRS" in codes


async def test_a_service_not_seen_is_inconclusive(api: Api) -> None:
    word, codes = await verdict(api)
    assert (word, codes[0]) == ("INCONCLUSIVE", "NO_SESSION")


async def test_another_candidate_never_answers_for_the_one_asked_about(api: Api, redis: Client) -> None:
    seed = Seed(candidate="v1.9")
    seed.same(1000)
    await seed.write(redis)
    assert (await verdict(api, candidate="v1.9"))[0] == "PASS"
    word, codes = await verdict(api, candidate="v2")
    assert (word, codes[0]) == ("INCONCLUSIVE", "NO_SESSION")


async def test_a_superseded_candidate_says_so(api: Api, redis: Client) -> None:
    older, newer = Seed(candidate="v1.9"), Seed(candidate="v2", started_us=Seed().started_us + 1_000_000)
    older.same(1000)
    newer.same(10)
    await older.write(redis)
    await newer.write(redis)
    word, codes = await verdict(api, candidate="v1.9")
    assert word == "INCONCLUSIVE"
    assert "CANDIDATE_CHANGED" in codes


async def test_the_policy_decides(redis: Client) -> None:
    seed = Seed()
    seed.same(40)
    await seed.write(redis)
    async with running(redis, Policy(min_pairs=10, min_duration=1, tolerance=0.3)) as api:
        assert await verdict(api) == ("PASS", [])


async def test_a_store_that_takes_no_more_writes_still_gets_a_verdict(api: Api, redis: Client) -> None:
    await planted(Seed()).write(redis)
    await redis.config_set("maxmemory", "1")
    try:
        word, _ = await verdict(api)
    finally:
        await redis.config_set("maxmemory", "0")
    assert word == "FAIL"
    assert not await redis.exists("md:verdict:orders/v2")


async def test_all_who_ask_at_once_share_one_snapshot(redis: Client) -> None:
    seed = Seed()
    seed.same(20)
    await seed.write(redis)
    async with running(redis, age=Age(60, 0, 60)) as api:
        asked = [api.service.snapshot("orders", "v2") for _ in range(10)]
        # One who leaves takes nothing from the others.
        first = asyncio.create_task(api.service.snapshot("orders", "v2"))
        snapshots = asyncio.gather(*asked)
        first.cancel()
        assert len({id(snapshot) for snapshot in await snapshots}) == 1


@pytest.fixture
def away() -> Client:
    return connect("redis://127.0.0.1:1/0", name="tests")


async def test_a_store_that_is_away_is_inconclusive_for_gates_and_said_elsewhere(away: Client) -> None:
    async with running(away) as api:
        word, codes = await verdict(api)
        assert (word, codes[0]) == ("INCONCLUSIVE", "STORE_UNAVAILABLE")
        listed = await api.http.get("/v1/services")
        assert (listed.status_code, listed.json()["reason"]) == (503, "STORE_UNAVAILABLE")
        assert listed.headers["retry-after"] == "2"
        page = await api.http.get("/")
        assert page.status_code == 503
        assert "store does not answer" in page.text
        assert (await api.http.get("/readyz")).status_code == 200
        assert "mirrordiff_store_up 0.0" in (await api.http.get("/metrics")).text
    await away.aclose()
