"""Everything restarted under load, and a shard lost: what was acknowledged is counted, and counted once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx

from collector.server import METHOD
from differ.core.tally import Tally
from differ.local.ports import LOOPBACK, free_ports
from differ.store.evidence import Evidence
from mirrordiff.process.redis import UNAVAILABLE, connect
from mirrordiff.redis_keys import PARTITIONS, partition_key
from tests.entries import entry, message, shipped
from tests.processes import Process, worker
from tests.servers import RedisCluster
from tests.waiting import eventually

BATCH = 50


class Load:
    """Two streams of batches, primary and shadow, that go on until told to stop, through restarts.

    ``sent`` counts the pairs of which both halves were handed to a collector that then drained; what was
    in flight when one went away may or may not have arrived, and is counted in ``unsure``.
    """

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._next = 0
        self._stop = False
        self.sent = 0
        self.unsure = 0

    def stop(self) -> None:
        self._stop = True

    async def run(self) -> None:
        while not self._stop:
            first = self._next
            self._next += BATCH
            try:
                async with grpc.aio.insecure_channel(self._address()) as channel:
                    for role in ("primary", "shadow"):
                        call: Any = channel.stream_unary(METHOD)
                        numbers = range(first, first + BATCH)
                        await call(iter([batch(role, numbers)]), timeout=10)
            except grpc.aio.AioRpcError:
                self.unsure += BATCH
                await asyncio.sleep(0.05)
            else:
                self.sent += BATCH


def batch(role: str, numbers: range) -> bytes:
    entries = [
        entry(
            shipped(b'{"n": %d}' % (number + (role == "shadow" and number % 5 == 0))),
            pair=b"pair-%d" % number,
            path=b"/items/%d" % number,
        )
        for number in numbers
    ]
    return message(f"{role}/orders/{role}", entries)


async def totals(client: Any) -> tuple[int, int]:
    """Pairs compared, and different."""
    evidence = Evidence(client)
    tally = Tally()
    for service in await evidence.services():
        for session in await evidence.sessions(service.id):
            for epoch in session.epochs:
                tally += await evidence.tally(session, epoch.id)
    endpoints = tally.endpoints.values()
    return sum(one.compared for one in endpoints), sum(one.different for one in endpoints)


async def drained(client: Any) -> bool:
    """Whether nothing is left to be judged; while a shard is away nobody can tell."""
    with contextlib.suppress(*UNAVAILABLE):
        return not any([await client.xlen(partition_key("ready", number)) for number in range(PARTITIONS)])
    return False


async def ready(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://{LOOPBACK}:{port}/readyz")).status_code == 200
    return False


@contextlib.asynccontextmanager
async def collector(url: str, folder: Path) -> AsyncIterator[tuple[Process, str]]:
    grpc_port, http_port = free_ports(2)
    settings: dict[str, object] = {
        "redis_url": url,
        "collector_grpc": f"{LOOPBACK}:{grpc_port}",
        "collector_http": f"{LOOPBACK}:{http_port}",
    }
    with Process(["collector"], settings, folder) as process:
        await eventually(
            lambda: ready(http_port), lambda: f"the collector is ready:\n{process.said()}", within=60
        )
        yield process, f"{LOOPBACK}:{grpc_port}"


async def test_rolling_restart_of_every_process_under_load(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    address = ""
    load = Load(lambda: address)
    async with contextlib.AsyncExitStack() as stack:
        old, address = await stack.enter_async_context(collector(redis_url, tmp_path))
        judges = [stack.enter_context(worker(redis_url, tmp_path)) for _ in range(2)]
        sending = asyncio.create_task(load.run())
        for _ in range(2):
            reached = load.sent + 300
            await eventually(lambda goal=reached: at_least(load, goal), "load goes on")  # type: ignore[misc]
            new, address = await stack.enter_async_context(collector(redis_url, tmp_path))
            assert await old.stop() == 0, old.said()
            old = new
            judges.append(stack.enter_context(worker(redis_url, tmp_path)))
            retired = judges.pop(0)
            assert await retired.stop() == 0, retired.said()
        load.stop()
        await sending
        assert await old.stop() == 0, old.said()
        await eventually(lambda: drained(redis), "everything is judged", within=60)
        for judge in judges:
            assert await judge.stop() == 0, judge.said()
    compared, different = await totals(redis)
    assert load.sent <= compared <= load.sent + load.unsure
    assert load.sent >= 600
    if not load.unsure:
        assert different == compared // 5


async def at_least(load: Load, goal: int) -> bool:
    return load.sent >= goal


async def test_a_shard_lost_and_failed_over_under_load(tmp_path: Path) -> None:
    """What was on the way to the lost master may be gone. Nothing is counted twice, and work goes on."""
    cluster = RedisCluster(tmp_path, replicas=True)
    await cluster.start()
    client: Any = connect(cluster.url, name="tests")
    try:
        async with contextlib.AsyncExitStack() as stack:
            process, address = await stack.enter_async_context(collector(cluster.url, tmp_path))
            judge = stack.enter_context(worker(cluster.url, tmp_path))
            load = Load(lambda: address)
            sending = asyncio.create_task(load.run())
            await eventually(lambda: at_least(load, 500), "load goes on")
            cluster.kill(cluster.ports[1])
            before = load.sent

            async def counted_on() -> bool:
                with contextlib.suppress(*UNAVAILABLE):
                    return (await totals(client))[0] >= before + 300
                return False

            await eventually(
                counted_on, lambda: f"pairs are counted again:\n{process.said()}\n{judge.said()}", within=60
            )
            load.stop()
            await sending
            assert await process.stop() == 0, process.said()
            await eventually(lambda: drained(client), lambda: f"all is judged:\n{judge.said()}", within=60)
            assert await judge.stop() == 0, judge.said()
        compared, different = await totals(client)
        assert before < compared <= load.sent + load.unsure
        assert different <= -(-compared // 5)
    finally:
        await client.aclose()
        cluster.stop()
