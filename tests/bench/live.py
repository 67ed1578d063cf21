"""What capture costs the live request: one Envoy in front of one service, with capture and without.

And with a collector that is dead, hung or slow. Rounds alternate, so that a machine that drifts drifts
for all alike. A client sends at a fixed pace on keep-alive connections, and times each answer from first
byte sent to last byte received; an answer that breaks off ends the benchmark.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from differ.core.model import Role
from differ.local import probe
from differ.local.envoy_config import Topology, bootstrap, capturing_listener
from differ.local.ports import LOOPBACK, free_ports
from differ.local.upstreams import parse_upstream
from mirrordiff.process.settings import Address
from tests.bench.whole_path import body, ready
from tests.local.harness import envoy, service
from tests.processes import Process, slowed
from tests.servers import RedisServer

ROUNDS = 5


@dataclass(frozen=True)
class Load:
    """What a round sends, at a pace that one core keeps up with."""

    name: str
    size: int
    requests: int
    connections: int
    pace: float
    """Seconds between two requests of a connection."""


LOADS = (
    Load("2 KB", 2_000, requests=800, connections=8, pace=0.01),
    Load("5 MB", 5_000_000, requests=40, connections=2, pace=0.1),
)


@dataclass
class Arm:
    """An Envoy, and the collector that it ships to, if it runs."""

    address: Address
    admin: Path
    collector: Process | None

    def memory(self) -> int:
        """Bytes that Envoy has allocated."""
        return int(json.loads(probe.http_ask(self.admin, "/memory")[1])["allocated"])


@dataclass
class Figures:
    """What was measured of one load on one Envoy: by round, but for the failures."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    failed: int = 0


async def one_connection(arm: Arm, load: Load, took: list[float]) -> int:
    """How many failed of a connection's share."""
    reader, writer = await asyncio.open_connection(arm.address.host, arm.address.port)
    request = b"GET /%d HTTP/1.1\r\nhost: shop\r\n\r\n" % load.size
    failed = 0
    due = time.perf_counter()
    for _ in range(load.requests // load.connections):
        due += load.pace
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        await reader.readexactly(length)
        took.append(time.perf_counter() - started)
        failed += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
    return failed


async def round_of(arm: Arm, load: Load, figures: Figures) -> None:
    took: list[float] = []
    failed = await asyncio.gather(*(one_connection(arm, load, took) for _ in range(load.connections)))
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    figures.p50.append(cuts[49])
    figures.p99.append(cuts[98])
    figures.memory.append(arm.memory())
    figures.failed += sum(failed)


def configuration(address: Address, collector: Address, upstream: str, *, captured: bool) -> dict[str, Any]:
    """One listener in front of one service, as a sidecar is."""
    topology = Topology(
        listen=address,
        admin=Path("unused"),
        collector=collector,
        upstreams={Role.PRIMARY: parse_upstream(upstream)},
        versions={Role.PRIMARY: "v1"},
        service="orders",
    )
    whole: dict[str, Any] = bootstrap(topology)
    listener: Any = capturing_listener(topology, Role.PRIMARY, address)
    if not captured:
        for chain in listener["filter_chains"]:
            for network_filter in chain["filters"]:
                manager = network_filter["typed_config"]
                del manager["access_log"]
                manager["http_filters"] = manager["http_filters"][-1:]
    whole["static_resources"]["listeners"] = [listener]
    clusters = whole["static_resources"]["clusters"]
    whole["static_resources"]["clusters"] = [c for c in clusters if not c["name"].startswith("hop-")]
    return whole


@contextlib.asynccontextmanager
async def proxies(folder: Path) -> AsyncIterator[dict[str, Arm]]:
    """An Envoy without capture, one with it, and some whose collectors take nothing or little."""
    answers = {}
    for load in LOADS:
        content = body(load.size, 1, changed=False)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        answers[f"/{load.size}"] = head % len(content) + content
    async with contextlib.AsyncExitStack() as stack:
        redis = stack.enter_context(RedisServer(folder))
        v1 = await stack.enter_async_context(service(answers))
        arms: dict[str, Arm] = {}
        for name in ("off", "on", "on, collector dead", "on, collector hung", "on, collector slow"):
            port, grpc_port, http_port = free_ports(3)
            collector = None
            if name not in ("off", "on, collector dead"):
                settings: dict[str, object] = {
                    "redis_url": redis.url,
                    "collector_grpc": f"{LOOPBACK}:{grpc_port}",
                    "collector_http": f"{LOOPBACK}:{http_port}",
                }
                collector = stack.enter_context(Process(["collector"], settings, folder))
                await ready(http_port)
            address = Address(LOOPBACK, port)
            config = configuration(address, Address(LOOPBACK, grpc_port), v1.url, captured=name != "off")
            arms[name] = Arm(address, await stack.enter_async_context(envoy(config)), collector)
        yield arms


async def measure(arms: dict[str, Arm]) -> dict[Load, dict[str, Figures]]:
    """All rounds; the first warms up, with every collector that runs as it should."""
    found = {load: {name: Figures() for name in arms} for load in LOADS}

    async def a_round() -> None:
        for load, by_arm in found.items():
            for name, arm in arms.items():
                await round_of(arm, load, by_arm[name])

    await a_round()
    hung, slow = (arms[f"on, collector {state}"].collector for state in ("hung", "slow"))
    assert hung
    assert slow
    os.kill(hung.pid, signal.SIGSTOP)
    async with slowed(slow.pid):
        for _ in range(ROUNDS):
            await a_round()
    return found


def show(load: Load, by_arm: dict[str, Figures]) -> None:
    """The medians of the rounds after the first, and what Envoy's memory was before them and at most."""
    print(
        f"{load.name} bodies, {load.requests} requests a round, {load.connections / load.pace:.0f} a second; "
        f"medians of {ROUNDS} rounds:"
    )
    off = statistics.median(by_arm["off"].p99[1:])
    for name, figures in by_arm.items():
        p50, p99 = statistics.median(figures.p50[1:]), statistics.median(figures.p99[1:])
        before, *after = figures.memory
        print(
            f"  capture {name:<20} p50 {p50 * 1e6:6.0f} µs   p99 {p99 * 1e6:6.0f} µs ({p99 / off - 1:+.0%})"
            f"   failed requests {figures.failed}"
            f"   Envoy's memory {before / 1e6:.1f} MB, then at most {max(after) / 1e6:.1f} MB"
        )


async def run() -> None:
    with tempfile.TemporaryDirectory(prefix="mirrordiff-bench-") as name:
        async with proxies(Path(name)) as arms:
            found = await measure(arms)
    for load, by_arm in found.items():
        show(load, by_arm)


def main() -> None:
    """Print the figures."""
    asyncio.run(run())
