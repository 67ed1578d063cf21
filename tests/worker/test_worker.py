"""Workers as processes on a real Redis: what they count, keep, survive, and never count twice."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2

from differ.core.tally import Tally
from differ.store.evidence import Evidence, Session
from differ.store.examples import Examples
from differ.store.installation import Workers, workers
from mirrordiff.redis_keys import GROUP, PARTITIONS, partition_key
from tests.captures import Half, drained, pair, write
from tests.processes import Process, worker
from tests.servers import ON_EACH_PRODUCT, RedisServer
from tests.waiting import eventually


async def all_judged(client: Any, process: Process) -> None:
    await eventually(lambda: drained(client), lambda: f"everything is judged:\n{process.said()}", within=60)


async def only_session(client: Any) -> tuple[Session, Tally]:
    evidence = Evidence(client)
    (service,) = await evidence.services()
    (session,) = await evidence.sessions(service.id)
    tally = Tally()
    for epoch in session.epochs:
        tally += await evidence.tally(session, epoch.id)
    return session, tally


def totals(tally: Tally) -> dict[str, int]:
    """Pairs by result."""
    endpoints = tally.endpoints.values()
    return {
        "compared": sum(endpoint.compared for endpoint in endpoints),
        "different": sum(endpoint.different for endpoint in endpoints),
    }


def unpaired(tally: Tally) -> Counter[tuple[str, str]]:
    """Halves that never met their twin, by role and reason."""
    found: Counter[tuple[str, str]] = Counter()
    for endpoint in tally.endpoints.values():
        found.update(endpoint.unpaired)
    return found


@ON_EACH_PRODUCT
async def test_pairs_are_counted_and_examples_kept(redis: Any, redis_url: str, tmp_path: Path) -> None:
    halves: list[Half] = []
    for number in range(200):
        shadow = {"id": number, "total": 2} if number % 10 == 0 else {"id": number, "total": 1}
        halves += pair(number, {"id": number, "total": 1}, shadow)
    await write(redis, halves)
    with worker(redis_url, tmp_path) as process:
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    session, tally = await only_session(redis)
    assert (session.service, session.candidate, session.primary_versions) == ("orders", "v2", ("v1",))
    assert totals(tally) == {"compared": 200, "different": 20}
    examples = Examples(redis)
    ids = await examples.ids(session, "", 100)
    assert 1 <= len(ids) <= PARTITIONS
    diff = (await examples.diffs(session, ids))[0]
    assert [(finding.path, finding.primary, finding.shadow) for finding in diff.findings] == [
        ("$.total", 1, 2)
    ]
    assert await redis.xinfo_consumers(partition_key("ready", 0), GROUP) == []


@ON_EACH_PRODUCT
async def test_a_worker_is_known_before_there_is_anything_to_judge(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    with worker(redis_url, tmp_path) as process:

        async def known() -> bool:
            return await workers(redis) == Workers(PARTITIONS, most=1, taken=0)

        await eventually(known, lambda: f"the worker is in the group:\n{process.said()}")


async def test_a_worker_killed_in_mid_batch_counts_nothing_twice_and_loses_nothing(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    total = 4000
    started_us = (int(time.time()) - 3 * 24 * 3600) * 1_000_000
    for start in range(0, total, 500):
        numbers = range(start, start + 500)
        await write(
            redis,
            [half for n in numbers for half in pair(n, {"n": n}, {"n": n + n % 2}, started_us=started_us)],
        )

    async def owed() -> int:
        """Entries that a worker has taken and not settled."""
        streams = [partition_key("ready", number) for number in range(PARTITIONS)]
        groups = [row for stream in streams for row in await redis.xinfo_groups(stream)]
        return sum(row["pending"] for row in groups)

    for _ in range(3):
        with worker(redis_url, tmp_path) as victim:
            await eventually(owed, f"the worker holds a batch:\n{victim.said()}")
            victim.kill()
        assert await owed() > 0
    with worker(redis_url, tmp_path) as one, worker(redis_url, tmp_path) as other:
        await all_judged(redis, one)
        assert await one.stop() == 0, one.said()
        assert await other.stop() == 0, other.said()
    session, tally = await only_session(redis)
    assert totals(tally) == {"compared": total, "different": total // 2}
    points = (await Evidence(redis).trend(session, session.epochs[-1].id)).points({})
    assert sum(point.compared for point in points) == total
    assert sum(point.different for point in points) == total // 2
    # By the captures' time, and not by when the workers came to judge them.
    assert points[0].start_s == (started_us // 1_000_000) & -points[0].width_s
    assert points[-1].start_s == (started_us // 1_000_000 + (total - 1) // 1000) & -points[0].width_s


async def test_redis_restarted_under_a_worker(tmp_path: Path) -> None:
    """What was in a Redis that keeps nothing is gone; the worker goes on with what comes after."""
    with RedisServer(tmp_path) as server:
        from mirrordiff.process.redis import connect

        client: Any = connect(server.url, name="tests")
        with worker(server.url, tmp_path) as process:
            await write(client, [half for number in range(50) for half in pair(number, {}, {})])
            await all_judged(client, process)
            server.kill()
            server.start()
            await write(client, [half for number in range(60) for half in pair(number, {}, {})])
            await all_judged(client, process)
            assert process.popen.poll() is None
            assert await process.stop() == 0, process.said()
        _, tally = await only_session(client)
        assert totals(tally)["compared"] == 60
        await client.aclose()


@ON_EACH_PRODUCT
async def test_what_waits_in_vain_is_counted_by_role(redis: Any, redis_url: str, tmp_path: Path) -> None:
    halves = [Half(number, "primary", {}) for number in range(1, 6)]
    halves += [Half(number, "shadow", {}) for number in range(6, 9)]
    with worker(redis_url, tmp_path) as process:
        # First the pair: what a primary alone answered before any shadow was seen is of no candidate.
        await write(redis, pair(0, {}, {}), half_ttl=0.2)
        await all_judged(redis, process)
        await write(redis, halves, half_ttl=0.2)

        async def counted() -> bool:
            _, tally = await only_session(redis)
            return unpaired(tally) == {("primary", "expired"): 5, ("shadow", "expired"): 3}

        await eventually(counted, lambda: f"eight are counted as unpaired:\n{process.said()}")
        assert await process.stop() == 0, process.said()
    session, tally = await only_session(redis)
    assert session.candidate == "v2"
    assert totals(tally)["compared"] == 1


async def test_a_late_control_counts_its_pair_once(redis: Any, redis_url: str, tmp_path: Path) -> None:
    with worker(redis_url, tmp_path) as process:
        # Pairs are kept for a control once one has been seen in their partition.
        early = range(100, 300)
        await write(redis, [half for n in early for half in (Half(n, "control", {}), *pair(n, {}, {}))])
        await write(redis, [half for number in range(20) for half in pair(number, {"a": 1}, {"a": 2})])
        await all_judged(redis, process)
        await write(redis, [Half(number, "control", {"a": 3}) for number in range(20)])
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    _, tally = await only_session(redis)
    assert totals(tally) == {"compared": 220, "different": 20}
    (endpoint,) = tally.endpoints.values()
    assert endpoint.triples == 220


async def test_entries_that_cannot_be_read_stop_nothing(redis: Any, redis_url: str, tmp_path: Path) -> None:
    await redis.xadd(partition_key("ready", 3), {"k": "P", "p": b"\xff\xff", "s": b"\xff"})
    await redis.xadd(partition_key("ready", 3), {"unknown": "x"})
    await write(redis, [half for number in range(30) for half in pair(number, {}, {})])
    with worker(redis_url, tmp_path) as process:
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    _, tally = await only_session(redis)
    assert totals(tally)["compared"] == 30


async def test_a_descriptor_set_names_the_fields_of_grpc_messages(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    described = descriptor_pb2.FileDescriptorSet()
    file = described.file.add(name="shop.proto", package="shop", syntax="proto3")
    order = file.message_type.add(name="Order")
    order.field.add(name="note", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    method = file.service.add(name="Orders").method.add(name="Get")
    method.input_type = method.output_type = ".shop.Order"
    compiled = tmp_path / "shop.binpb"
    compiled.write_bytes(described.SerializeToString())

    def frame(note: bytes) -> bytes:
        message = b"\x0a" + bytes([len(note)]) + note
        return b"\0" + len(message).to_bytes(4, "big") + message

    both: dict[str, Any] = {"path": "/shop.Orders/Get", "headers": b"content-type: application/grpc"}
    await write(redis, pair(1, frame(b"one"), frame(b"two"), **both))
    with worker(redis_url, tmp_path, descriptor_set=compiled) as process:
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    session, _ = await only_session(redis)
    examples = Examples(redis)
    (diff,) = await examples.diffs(session, await examples.ids(session, "", 2))
    assert [finding.path for finding in diff.findings] == ["$[0].note"]
