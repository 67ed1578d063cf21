"""The trend in a real Redis: kept by the script as the core would add it, and bounded."""

from __future__ import annotations

from random import Random
from typing import Any

from differ.core.trend import Trend
from differ.store.evidence import Evidence, Session
from differ.store.settlement import FEWEST_BUCKETS, MOST_IN_TREND, Judged, SessionId, Settlement
from mirrordiff.redis_keys import GROUP, partition_key

SESSION = SessionId("orders", "v2")
ROW = Session("v2", "orders", "orders", "v2", (), 0, 0, ())
START_S = 1_790_000_000


async def settled(client: Any, counters: list[str], *, batch: int = 50, partitions: int = 2) -> Trend:
    """The trend after these counters have been settled, one entry each, twice as a worker may."""
    settlement = Settlement(client)
    for partition in range(partitions):
        stream = partition_key("ready", partition)
        await client.xgroup_create(stream, GROUP, "0", mkstream=True)
        pipeline = client.pipeline(transaction=False)
        mine = counters[partition::partitions]
        for _ in mine:
            pipeline.xadd(stream, {"p": b""})
        entries = await pipeline.execute()
        await client.xreadgroup(GROUP, "tests", {stream: ">"}, count=len(mine))
        judged = [
            Judged(partition, entry, SESSION.key, "e1", {name: 1})
            for entry, name in zip(entries, mine, strict=True)
        ]
        for start in range(0, len(judged), batch):
            part = judged[start : start + batch]
            assert await settlement.settle(part) == len(part)
            assert await settlement.settle(part) == 0
        assert await client.hlen(partition_key("trend", partition, SESSION.key, "e1")) <= MOST_IN_TREND + 1
    return await Evidence(client).trend(ROW, "e1")


async def test_it_is_what_the_core_would_add_however_coarse(redis: Any) -> None:
    random = Random(11)
    counters = [
        f"w\t{START_S + random.randrange(7_200)}\t{where}"
        for _ in range(4_000)
        for where in [random.choice(["\t=", "\t~", "\tk", "GET /ä\t0a1b2c3d", "GET /b\tmany"])]
    ]
    kept = await settled(redis, counters)
    assert kept.grain > 0
    whole = sum((Trend.of(0, {name.removeprefix("w\t"): 1}) for name in counters), Trend())
    assert kept == whole.coarsened(kept.grain)
    assert len({bucket for bucket, _, _ in kept.counts}) > FEWEST_BUCKETS


async def test_with_more_kinds_of_differences_than_room_time_is_told_and_fields_are_not(redis: Any) -> None:
    counters = [f"w\t{START_S + number // 4}\tGET /{number % 7}\t{number:08x}" for number in range(4_000)]
    kept = await settled(redis, counters)
    points = kept.points({})
    assert len(points) >= FEWEST_BUCKETS / 2
    assert sum(point.different for point in points) == 4_000
    assert {endpoint for point in points for endpoint in point.by_endpoint} == {f"GET /{n}" for n in range(7)}


async def test_with_more_endpoints_than_room_they_are_told_apart_no_more(redis: Any) -> None:
    counters = [f"w\t{START_S + number % 16}\tGET /{number}\t{number:08x}" for number in range(2_000)]
    kept = await settled(redis, counters)
    assert sum(point.different for point in kept.points({})) == 2_000
    assert any(point.by_endpoint.get("") for point in kept.points({}))
