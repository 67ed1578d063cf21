"""A Redis that is there and takes no writes, or has lost what it had: workers and collectors wait for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError

from collector.metrics import Metrics
from collector.settings import CollectorSettings
from collector.sink import Sink
from differ.store.evidence import Evidence
from differ.store.examples import Examples
from mirrordiff.process.redis import code, connect, passes
from tests.captures import Half, drained, pair, write
from tests.counted import totals
from tests.processes import Process, worker
from tests.servers import ON_EACH_PRODUCT, RedisCluster, RedisServer
from tests.waiting import eventually


async def counted(client: Any, process: Process, compared: int) -> None:
    """Wait until so many pairs of the one service are judged."""

    async def judged() -> bool:
        return (await totals(client))[0] == compared

    await eventually(judged, lambda: f"{compared} pairs are judged:\n{process.said()}")


async def reading(client: Any, process: Process) -> None:
    """Wait until the worker is blocked in a read."""

    async def blocked() -> bool:
        return any(row["cmd"] == "xreadgroup" for row in await client.client_list())

    await eventually(blocked, lambda: f"the worker waits for entries:\n{process.said()}")


def some(numbers: range) -> list[Half]:
    return [half for number in numbers for half in pair(number, {"n": number}, {"n": number % 2})]


@ON_EACH_PRODUCT
async def test_a_full_redis_is_judged_empty(redis: Any, redis_url: str, tmp_path: Path) -> None:
    """A worker that starts on it makes the room that collectors wait for. Counts do not wait for it."""
    await write(redis, some(range(300)))
    await write(redis, [Half(number, "primary", {}) for number in range(300, 310)], half_ttl=0.1)
    await redis.config_set("maxmemory", "1")
    try:
        with worker(redis_url, tmp_path) as process:
            await counted(redis, process, 300)
            await eventually(lambda: drained(redis), lambda: f"nothing waits:\n{process.said()}")
            (service,) = await Evidence(redis).services()
            (session,) = await Evidence(redis).sessions(service.id)
            assert await Examples(redis).ids(session, "", 1) == []
            await redis.config_set("maxmemory", "0")
            await write(redis, some(range(400, 440)))
            await counted(redis, process, 340)
            assert await Examples(redis).ids(session, "", 1)
            assert await process.stop() == 0, process.said()
    finally:
        await redis.config_set("maxmemory", "0")


@ON_EACH_PRODUCT
async def test_a_master_that_is_a_replica_for_a_while(redis: Any, redis_url: str, tmp_path: Path) -> None:
    """As in a planned failover: a blocked read is broken off, and then nothing is written here."""
    with worker(redis_url, tmp_path) as process:
        await reading(redis, process)
        await redis.replicaof("127.0.0.1", 1)
        try:

            async def noticed() -> bool:
                return '"redis_away"' in process.said()

            await eventually(noticed, lambda: f"the worker finds no master:\n{process.said()}")
        finally:
            await redis.replicaof("NO", "ONE")
        await write(redis, some(range(20)))
        await counted(redis, process, 20)
        assert await process.stop() == 0, process.said()


@ON_EACH_PRODUCT
async def test_a_redis_that_is_emptied_beneath_a_worker(redis: Any, redis_url: str, tmp_path: Path) -> None:
    with worker(redis_url, tmp_path) as process:
        await write(redis, some(range(10)))
        await counted(redis, process, 10)
        await reading(redis, process)
        await redis.flushall()
        await write(redis, some(range(20)))
        await counted(redis, process, 20)
        await redis.flushall()
        assert await process.stop() == 0, process.said()


async def test_a_cluster_that_is_emptied_beneath_a_worker(tmp_path: Path) -> None:
    cluster = RedisCluster(tmp_path)
    await cluster.start()
    client: Any = connect(cluster.url, name="tests")
    try:
        with worker(cluster.url, tmp_path) as process:
            await write(client, some(range(10)))
            await counted(client, process, 10)
            await client.flushall(target_nodes=client.PRIMARIES)
            await write(client, some(range(20)))
            await counted(client, process, 20)
            assert await process.stop() == 0, process.said()
    finally:
        await client.aclose()
        cluster.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """One that could be asked to save what it has."""
    (tmp_path / "data").mkdir()
    with RedisServer(tmp_path, "--dir", str(tmp_path / "data"), "--save", "3600", "1") as running:
        yield running


async def too_few_replicas(client: Any, folder: Path) -> None:
    """NOREPLICAS."""
    await client.config_set("min-replicas-to-write", "1")


async def disk_gone(client: Any, folder: Path) -> None:
    """MISCONF."""
    (folder / "data").rmdir()
    await client.bgsave()

    async def failed() -> bool:
        return bool((await client.info("persistence"))["rdb_last_bgsave_status"] == "err")

    await eventually(failed, "saving fails")


@pytest.mark.parametrize("fault", [too_few_replicas, disk_gone])
async def test_what_is_refused_for_now_is_kept_and_asked_again(
    fault: Callable[[Any, Path], Awaitable[None]], server: RedisServer, tmp_path: Path
) -> None:
    client: Any = connect(server.url, name="tests")
    try:
        with worker(server.url, tmp_path) as process:
            await write(client, some(range(10)))
            await counted(client, process, 10)
            await fault(client, tmp_path)
            metrics = Metrics()
            sink = Sink(client, CollectorSettings(), metrics)
            writer = asyncio.create_task(sink.run())
            for half in some(range(20, 40)):
                assert sink.offer(b"%d" % half.number, half.capture())

            async def refused() -> bool:
                return metrics.failed_batches > 1 and '"redis_away"' in process.said()

            await eventually(refused, lambda: f"neither can write:\n{process.said()}")
            assert not metrics.dropped
            await client.config_set("min-replicas-to-write", "0")
            await client.config_set("stop-writes-on-bgsave-error", "no")
            await counted(client, process, 30)
            sink.close()
            await writer
            assert await process.stop() == 0, process.said()
    finally:
        await client.aclose()


async def test_losses_are_told_to_a_redis_that_was_full(redis: Any) -> None:
    metrics = Metrics()
    metrics.dropped = Counter({("orders", "queue_full"): 3})
    sink = Sink(redis, CollectorSettings(), metrics)
    sink.available = True
    await redis.config_set("maxmemory", "1")
    try:
        writer = asyncio.create_task(sink.run())

        async def noticed() -> bool:
            return not sink.available

        await eventually(noticed, "it finds that Redis takes nothing")
    finally:
        await redis.config_set("maxmemory", "0")

    async def told() -> dict[bytes, bytes]:
        return dict(await redis.hgetall("md:losses"))

    assert await eventually(told, "Redis knows of them") == {b"orders\nqueue_full": b"3"}
    sink.close()
    await writer


@pytest.mark.parametrize(
    ("command", "word"),
    [(("LLEN", "text"), "WRONGTYPE"), (("EVALSHA", "secret", 0), "NOSCRIPT")],
)
async def test_logs_get_the_word_of_an_error_answer_and_no_more(
    redis: Any, command: tuple[Any, ...], word: str
) -> None:
    """Whether redis-py has a class for it or not, and whether a pipeline has put the command before it."""
    await redis.set("text", "")
    pipeline = redis.pipeline(transaction=False)
    pipeline.execute_command(*command)
    for call in (lambda: redis.execute_command(*command), pipeline.execute):
        with pytest.raises(ResponseError) as caught:
            await call()
        assert (code(caught.value), passes(caught.value)) == (word, False)
    await redis.delete("text")
