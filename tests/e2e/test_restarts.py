"""Everything restarted under load, and a shard lost: what was acknowledged is counted, and counted once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from collector.server import METHOD
from differ.local.ports import LOOPBACK, free_ports
from differ.store.evidence import Evidence
from mirrordiff.process.redis import UNAVAILABLE, connect
from mirrordiff.redis_keys import key
from tests.captures import drained
from tests.counted import totals
from tests.entries import entry, message, shipped
from tests.processes import Process, worker
from tests.servers import RedisCluster
from tests.waiting import eventually

BATCH = 50
PACE_S = 0.15


class Load:
    """Two streams of batches, primary and shadow, that go on until told to stop, through restarts.

    ``sent`` counts the pairs of which both halves were handed to a collector that then drained; what was
    in flight when one went away may or may not have arrived, and is counted in ``unsure``. Every fifth
    pair differs where the service is ``broken``.
    """

    def __init__(self, address: Callable[[], str], service: str = "orders", *, broken: bool = True) -> None:
        self._address = address
        self._service = service
        self._broken = broken
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
                        await call(iter([self._batch(role, range(first, first + BATCH))]), timeout=10)
            except grpc.aio.AioRpcError:
                self.unsure += BATCH
            else:
                self.sent += BATCH
            await asyncio.sleep(PACE_S)

    async def reaches(self, goal: int) -> bool:
        return self.sent >= goal

    def _batch(self, role: str, numbers: range) -> bytes:
        entries = [
            entry(
                shipped(b'{"n": %d}' % (number + (self._broken and role == "shadow" and number % 5 == 0))),
                pair=b"pair-%d" % number,
                path=b"/items/%d" % number,
            )
            for number in numbers
        ]
        return message(f"{role}/{self._service}/{role}", entries)


@dataclass
class Asking:
    """A gate that asks for a service's verdict all the time; it must be answered each time."""

    address: Callable[[], str]
    service: str = "orders"
    told: list[dict[str, Any]] = field(default_factory=list)
    _stop: bool = False

    def stop(self) -> None:
        self._stop = True

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            while not self._stop:
                url = f"http://{self.address()}/v1/services/{self.service}/gates/default/verdict"
                got = await client.get(url)
                assert got.status_code == 200, got.text
                self.told.append(got.json())
                await asyncio.sleep(2 * PACE_S)

    async def has_said(self, verdict: str) -> bool:
        return any(each["verdict"] == verdict for each in self.told)


async def all_judged(client: Any) -> bool:
    """Whether nothing is left to be judged; while a shard is away nobody can tell."""
    with contextlib.suppress(*UNAVAILABLE):
        return await drained(client)
    return False


async def ready(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://{LOOPBACK}:{port}/readyz")).status_code == 200
    return False


@contextlib.asynccontextmanager
async def collector(url: str, folder: Path) -> AsyncIterator[tuple[Process, str]]:
    """A collector that is ready, and where it takes captures."""
    grpc_port, http_port = free_ports(2)
    settings: dict[str, object] = {
        "redis_url": url,
        "collector_grpc": f"{LOOPBACK}:{grpc_port}",
        "collector_http": f"{LOOPBACK}:{http_port}",
    }
    async with once_ready(Process(["collector"], settings, folder), http_port) as process:
        yield process, f"{LOOPBACK}:{grpc_port}"


@contextlib.asynccontextmanager
async def api(url: str, folder: Path, policy: str = "") -> AsyncIterator[tuple[Process, str]]:
    """An API that is ready, and where it is asked."""
    grpc_port, http_port = free_ports(2)
    (folder / "policy.yaml").write_text(policy)
    settings: dict[str, object] = {
        "redis_url": url,
        "api_grpc": f"{LOOPBACK}:{grpc_port}",
        "api_http": f"{LOOPBACK}:{http_port}",
        "policy": folder / "policy.yaml",
    }
    async with once_ready(Process(["differ", "api"], settings, folder), http_port) as process:
        yield process, f"{LOOPBACK}:{http_port}"


@contextlib.asynccontextmanager
async def once_ready(process: Process, http_port: int) -> AsyncIterator[Process]:
    with process:
        await eventually(lambda: ready(http_port), lambda: f"it is ready:\n{process.said()}", within=60)
        yield process


@contextlib.contextmanager
def meanwhile(*tasks: asyncio.Task[None]) -> Iterator[None]:
    """Tasks that run beside the block, and no longer."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


@pytest.mark.timeout(240)
async def test_rolling_restart_of_every_process_under_load(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    takes = asks = ""
    load, asking = Load(lambda: takes), Asking(lambda: asks)
    async with contextlib.AsyncExitStack() as stack:
        judges = [stack.enter_context(worker(redis_url, tmp_path)) for _ in range(2)]
        (collecting, takes), (serving, asks) = await asyncio.gather(
            stack.enter_async_context(collector(redis_url, tmp_path)),
            stack.enter_async_context(api(redis_url, tmp_path)),
        )
        tasks = [asyncio.create_task(each.run()) for each in (load, asking)]
        stack.enter_context(meanwhile(*tasks))
        for again in range(2):
            goal = load.sent + 300
            await eventually(lambda goal=goal: load.reaches(goal), "load goes on")  # type: ignore[misc]
            retired = [collecting, judges.pop(0)]
            judges.append(stack.enter_context(worker(redis_url, tmp_path)))
            collecting, takes = await stack.enter_async_context(collector(redis_url, tmp_path))
            if not again:
                retired.append(serving)
                serving, asks = await stack.enter_async_context(api(redis_url, tmp_path))
            for process in retired:
                assert await process.stop() == 0, process.said()
        load.stop()
        await tasks[0]
        assert await collecting.stop() == 0, collecting.said()
        await eventually(lambda: all_judged(redis), "everything is judged", within=60)
        compared, different = await totals(redis)

        async def told_of_all() -> bool:
            return int(asking.told[-1]["pairs"]) == compared or tasks[1].done()

        await eventually(told_of_all, "the verdict is on all of it")
        asking.stop()
        await tasks[1]
        for process in (serving, *judges):
            assert await process.stop() == 0, process.said()
    assert load.sent <= compared <= load.sent + load.unsure
    assert load.sent >= 600
    if not load.unsure:
        assert different == compared // 5
    seen = [int(each["pairs"]) for each in asking.told]
    assert seen == sorted(seen), "what was counted was forgotten"
    assert asking.told[-1]["verdict"] == "FAIL"
    assert not await asking.has_said("PASS")


UNBROKEN_S = 5
POLICY = f"""
tolerance: 5%
min_pairs: 300
min_duration: {UNBROKEN_S}s
min_paired_ratio: 50%
max_dropped: 50%
"""
"""A sound service passes soon, but no sooner than that."""


@pytest.mark.timeout(240)
async def test_a_shard_lost_and_failed_over_under_load(tmp_path: Path) -> None:
    """What was on the way to the lost master may be gone. Nothing is counted twice, and work goes on.

    The shard is the one with the session of a sound service: nothing passes on what is left of it, but on
    what was watched after. A service that is broken beside it passes at no time.
    """
    cluster = RedisCluster(tmp_path, replicas=True)
    await cluster.start()
    client: Any = connect(cluster.url, name="tests")
    try:
        async with contextlib.AsyncExitStack() as stack:
            judge = stack.enter_context(worker(cluster.url, tmp_path))
            (process, takes), (serving, asks) = await asyncio.gather(
                stack.enter_async_context(collector(cluster.url, tmp_path)),
                stack.enter_async_context(api(cluster.url, tmp_path, POLICY)),
            )
            loads = [Load(lambda: takes, "sound", broken=False), Load(lambda: takes, "broken")]
            sound, broken = (Asking(lambda: asks, name) for name in ("sound", "broken"))
            sending = [asyncio.create_task(load.run()) for load in loads]
            gates = [asyncio.create_task(each.run()) for each in (sound, broken)]
            stack.enter_context(meanwhile(*sending, *gates))

            def said() -> str:
                return "\n".join(
                    [*(each.said()[-3000:] for each in (process, judge, serving)), *map(str, sound.told[-1:])]
                )

            async def counts() -> bool:
                return bool(sound.told) and int(sound.told[-1]["pairs"]) > 0

            await eventually(counts, lambda: f"pairs are counted:\n{said()}")
            assert not await sound.has_said("PASS")
            await client.ping()  # so that it knows the nodes
            cluster.kill(client.get_node_from_key(key("session", "sound/shadow")).port)
            before, last = sum(load.sent for load in loads), len(sound.told)

            async def passes() -> bool:
                return await sound.has_said("PASS") or any(task.done() for task in (*sending, *gates))

            await eventually(passes, lambda: f"the sound service passes:\n{said()}", within=90)
            (session,) = await Evidence(client).sessions("sound")
            assert "DISCONTINUITY" in {
                reason["code"] for each in sound.told[last:] for reason in each["reasons"]
            }
            unbroken_us = (session.epochs[-1].last_us or 0) - max(session.stores.values())
            assert unbroken_us >= UNBROKEN_S * 1_000_000
            for load in loads:
                load.stop()
            for gate in (sound, broken):
                gate.stop()
            await asyncio.gather(*sending, *gates)
            assert await process.stop() == 0, process.said()
            await eventually(lambda: all_judged(client), lambda: f"all is judged:\n{judge.said()}", within=60)
            for each in (judge, serving):
                assert await each.stop() == 0, each.said()
        compared, different = await totals(client)
        assert before < compared <= sum(load.sent + load.unsure for load in loads)
        assert different <= -(-(loads[1].sent + loads[1].unsure) // 5)
        assert broken.told[-1]["verdict"] == "FAIL"
        assert not await broken.has_said("PASS")
    finally:
        await client.aclose()
        cluster.stop()
