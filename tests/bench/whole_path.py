# ruff: noqa: ASYNC210, E501  - measuring asks, and a table is as wide as it is
"""The collector alone, and the whole path: real processes, a real Redis, batches as Envoy ships them.

What is measured: captures or pairs per second of wall time from the first batch sent until the last
pair is counted, and the CPU time that each process has used for it (from the operating system).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from collector.server import METHOD
from differ.local.ports import free_ports
from differ.store.evidence import Evidence
from mirrordiff.process.redis import connect
from tests.entries import entry, message, shipped
from tests.processes import Process
from tests.servers import RedisServer
from tests.waiting import eventually

MESSAGE_BYTES = 64 * 1024  # what the generated Envoy configuration gathers before it ships
AHEAD = 3_000  # pairs sent and not yet counted: what an installation would call its backlog
"""How far the sender may be ahead, so that what is measured is sustained and nothing is dropped."""

PATIENCE_S = 300.0
"""After so long without an end something is lost, and there is nothing to measure."""


def body(size: int, number: int, *, changed: bool) -> bytes:
    """JSON of about ``size`` bytes, as a shop would answer."""
    item = {
        "sku": "A-10932",
        "name": "Espresso cup, white, 80 ml",
        "quantity": 2,
        "price": 12.5,
        "tags": ["a", "b"],
    }
    count = max(0, (size - 120) // 108)
    document = {
        "id": number,
        "customer": {"id": 4711, "name": "R. Example", "vip": True},
        "total": 99.5 if changed else 99.0,
        "items": [{**item, "line": line} for line in range(count)],
    }
    return json.dumps(document).encode()


def batches(role: str, first: int, count: int, size: int, changed_every: int) -> list[bytes]:
    """Messages of one stream, each about MESSAGE_BYTES long, made ahead."""
    found: list[bytes] = []
    gathered: list[Any] = []
    length = 0
    for number in range(first, first + count):
        changed = role == "shadow" and changed_every > 0 and number % changed_every == 0
        made = entry(
            shipped(body(size, number, changed=changed)),
            pair=b"%d" % number,
            path=b"/orders/%d" % (number % 500),
        ).SerializeToString()
        gathered.append(made)
        length += len(made)
        if length > MESSAGE_BYTES:
            found.append(message("", gathered))
            gathered, length = [], 0
    return [*found, message("", gathered)]


def metric(port: int, name: str) -> float:
    """The sum of a metric over its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


async def kept(port: int, count: int) -> None:
    """Wait until a collector has written so many captures."""

    async def all_kept() -> bool:
        return metric(port, "mirrordiff_captures_kept_total") >= count

    await eventually(all_kept, f"{count:,} captures are in Redis", within=PATIENCE_S)


def cpu_seconds(process: Process | RedisServer) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sender:
    """Two streams, primary and shadow, sent in step; ``done`` says how many pairs are through."""

    def __init__(self, port: int) -> None:
        self._address = f"127.0.0.1:{port}"

    async def send(self, sides: dict[str, list[bytes]], may_go_on: Callable[[int], Awaitable[None]]) -> None:
        async with grpc.aio.insecure_channel(self._address) as channel:
            calls: list[Any] = []
            for role in sides:
                call: Any = channel.stream_unary(METHOD)()
                await call.write(message(f"{role}/orders/{role}", []))
                calls.append(call)
            for sent, step in enumerate(zip(*sides.values(), strict=True), 1):
                for call, batch in zip(calls, step, strict=True):
                    await call.write(batch)
                await may_go_on(sent)
            for call in calls:
                await call.done_writing()
                await call


async def collector_alone(folder: Path, size: int, count: int) -> None:
    """Captures per second into Redis, with one stream of each role."""
    grpc_port, http_port = free_ports(2)
    sides = {role: batches(role, 0, count // 2, size, 0) for role in ("primary", "shadow")}
    level(sides)
    with RedisServer(folder) as redis:
        settings: dict[str, object] = {
            "redis_url": redis.url,
            "collector_grpc": f"127.0.0.1:{grpc_port}",
            "collector_http": f"127.0.0.1:{http_port}",
            "queue_bytes": 512 * 1024 * 1024,
            "stream_limit": 1_000_000,
        }
        with Process(["collector"], settings, folder) as collector:
            await ready(http_port)
            client = connect(redis.url, name="bench")
            before = cpu_seconds(collector), cpu_seconds(redis)
            started = time.perf_counter()

            async def go_on(_: int) -> None:
                """As fast as the collector reads."""

            await Sender(grpc_port).send(sides, go_on)
            await kept(http_port, count)
            took = time.perf_counter() - started
            cpu = cpu_seconds(collector) - before[0], cpu_seconds(redis) - before[1]
            await client.aclose()
    print(
        f"  {size:>6} B  {count / took:>9,.0f} captures/s   collector {cpu[0] / count * 1e6:5.1f} µs CPU a capture"
        f" ({count / cpu[0]:,.0f}/s on one core), Redis {cpu[1] / count * 1e6:4.1f} µs"
    )


async def whole_path(folder: Path, size: int, pairs: int, changed_every: int, workers: int) -> None:
    """Pairs per second through collector, Redis and workers, until every one is counted."""
    grpc_port, http_port, *worker_ports = free_ports(2 + workers)
    sides = {role: batches(role, 0, pairs, size, changed_every) for role in ("primary", "shadow")}
    steps = level(sides)
    with RedisServer(folder) as redis, contextlib.ExitStack() as stack:
        settings: dict[str, object] = {
            "redis_url": redis.url,
            "collector_grpc": f"127.0.0.1:{grpc_port}",
            "collector_http": f"127.0.0.1:{http_port}",
        }
        collector = stack.enter_context(Process(["collector"], settings, folder))
        judges = [
            stack.enter_context(
                Process(
                    ["differ", "worker"], {"redis_url": redis.url, "worker_http": f"127.0.0.1:{port}"}, folder
                )
            )
            for port in worker_ports
        ]
        for port in (http_port, *worker_ports):
            await ready(port)
        client = connect(redis.url, name="bench")
        processes: list[Process | RedisServer] = [collector, redis, *judges]
        before = [cpu_seconds(process) for process in processes]

        def settled() -> float:
            return sum(metric(port, "mirrordiff_settled_total") for port in worker_ports)

        looked = 0

        async def near() -> bool:
            return looked - settled() <= AHEAD

        async def through() -> bool:
            return settled() + metric(http_port, "mirrordiff_captures_dropped_total") / 2 >= pairs

        async def go_on(sent: int) -> None:
            nonlocal looked
            if sent * pairs / steps < looked + AHEAD / 2:
                return
            looked = int(sent * pairs / steps)
            await eventually(near, "the workers keep up", within=PATIENCE_S)

        started = time.perf_counter()
        await Sender(grpc_port).send(sides, go_on)
        await eventually(through, "every pair is counted", within=PATIENCE_S)
        took = time.perf_counter() - started
        used = [cpu_seconds(process) - start for process, start in zip(processes, before, strict=True)]
        compared, different = await counted(client)
        await client.aclose()
    lost = pairs - compared
    each = [f"{seconds / pairs * 1e6:.0f}" for seconds in (used[0], used[1], sum(used[2:]))]
    print(
        f"  {size:>6} B, 1 in {changed_every or '∞':<4} differs, {workers} worker(s)  {pairs / took:>8,.0f} pairs/s"
        f"   µs CPU a pair: collector {each[0]}, Redis {each[1]}, worker {each[2]}"
        f"   counted {compared:,} ({different:,} different), lost {lost}"
    )


async def counted(client: Any) -> tuple[int, int]:
    """Pairs compared, and different, as the tallies say."""
    evidence = Evidence(client)
    (service,) = await evidence.services()
    (session,) = await evidence.sessions(service.id)
    tally = await evidence.tally(session, session.epochs[-1].id)
    endpoints = tally.endpoints.values()
    return sum(one.compared for one in endpoints), sum(one.different for one in endpoints)


def level(sides: dict[str, list[bytes]]) -> int:
    """Give both sides the same number of messages; returns it."""
    longest = max(map(len, sides.values()))
    for messages in sides.values():
        messages.extend([message("", [])] * (longest - len(messages)))
    return longest


async def ready(port: int) -> None:
    """Wait until a process says that it can work."""

    async def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return True
        except OSError:
            return False

    await eventually(answers, f"port {port} is ready")


async def run() -> None:
    with tempfile.TemporaryDirectory(prefix="mirrordiff-bench-") as name:
        folder = Path(name)
        print("collector alone, access log stream, into Redis:")
        for size, count in ((300, 200_000), (2_000, 100_000)):
            await collector_alone(folder, size, count)
        print("whole path, collector + Redis + workers:")
        for changed_every in (0, 20, 1):
            for workers in (1, 2):
                await whole_path(folder, 2_000, 60_000, changed_every, workers)


def main() -> None:
    """Print the figures."""
    asyncio.run(run())


if __name__ == "__main__":
    main()
