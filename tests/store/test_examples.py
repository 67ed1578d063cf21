"""What is kept of judged pairs: which, how many, and how a list of them is read."""

from __future__ import annotations

from typing import Any

import pytest

from differ.store import settlement
from differ.store.evidence import Evidence, Session
from differ.store.examples import Examples
from differ.store.records import KeptDiff
from differ.store.settlement import SessionId, Settlement
from mirrordiff.process.redis import Client
from mirrordiff.redis_keys import PARTITIONS, partition_key

SESSION = SessionId("orders", "v2")


def diff(number: int, partition: int = 0, **given: Any) -> KeptDiff:
    row = {
        "service": "orders", "candidate": "v2", "endpoint": "GET /orders/{id}", "method": "GET",
        "path": f"/orders/{number}", "request_id": f"req-{number}", "outcome": "different", "findings": (),
        "primary": b"", "shadow": b"",
    }  # fmt: skip
    return KeptDiff(id=f"{number:015x}{partition:x}", at_us=number, **{**row, **given})


async def session(redis: Client) -> Session:
    await Settlement(redis).register(SESSION, now_us=1, primary_versions=["v1"], epoch="e1", rules=0)
    (found,) = await Evidence(redis).sessions("orders")
    return found


async def test_the_newest_are_read_first_from_any_place(redis: Client) -> None:
    kept, examples, row = Settlement(redis), Examples(redis), await session(redis)
    ids = [diff(number, number % PARTITIONS).id for number in range(40)]
    for number in range(40):
        await kept.keep(number % PARTITIONS, SESSION.key, diff(number, number % PARTITIONS), [f"s{number}"])
    ids.reverse()
    assert await examples.ids(row, "", 100) == ids
    assert await examples.ids(row, ids[9], 5) == ids[10:15]
    assert await examples.ids(row, ids[-1], 5) == []
    assert await examples.count(row) == 40
    assert [line.id for line in await examples.lines(row)] == ids
    assert await examples.of_signatures(row, ["s3", "s7", "none"]) == {
        "s3": [diff(3, 3).id], "s7": [diff(7, 7).id],
    }  # fmt: skip


async def test_no_session_has_more_than_there_is_room_for(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "MOST_KEPT", 3)
    kept, examples, row = Settlement(redis), Examples(redis), await session(redis)
    for number in range(5):
        await kept.keep(0, SESSION.key, diff(number), [f"s{number}"])
    assert [line.signatures for line in await examples.lines(row)] == [("s2",), ("s1",), ("s0",)]
    assert await examples.diffs(row, [diff(3).id]) == []
    # What has expired makes room.
    await redis.delete(partition_key("diff", 0, SESSION.key, diff(0).id))
    await kept.keep(0, SESSION.key, diff(5), ["s5"])
    assert [line.signatures for line in await examples.lines(row)] == [("s5",), ("s2",), ("s1",)]


async def test_a_pair_judged_twice_is_listed_once(redis: Client) -> None:
    examples, row = Examples(redis), await session(redis)
    await Settlement(redis).keep(0, SESSION.key, diff(1), ["s1"])
    # By another worker, and by other rules.
    await Settlement(redis).keep(0, SESSION.key, diff(1, outcome="same"), ["s1", "s2"])
    assert await examples.ids(row, "", 10) == [diff(1).id]
    assert await examples.of_signatures(row, ["s1", "s2"]) == {"s1": [diff(1).id], "s2": [diff(1).id]}
