"""What capture costs the live request: one Envoy in front of one service, with capture and without.

Rounds alternate, so that a machine that drifts drifts for all alike. A client sends at a fixed pace
on keep-alive connections, and times each answer from first byte sent to last byte received.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from differ.core.model import Role
from differ.local.envoy_config import Topology, bootstrap, capturing_listener
from differ.local.ports import LOOPBACK, free_ports
from differ.local.upstreams import parse_upstream
from mirrordiff.process.settings import Address
from tests.bench.whole_path import body
from tests.local.harness import envoy, service
from tests.processes import Process
from tests.servers import RedisServer

CONNECTIONS = 8
PACE_S = 0.01
"""Between two requests of a connection: together 800 a second, far from what fills a core."""

REQUESTS = 1_600
ROUNDS = 6


async def one_connection(address: Address, count: int, took: list[float], failed: list[int]) -> None:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    request = b"GET /orders/1 HTTP/1.1\r\nhost: shop\r\n\r\n"
    due = time.perf_counter()
    for _ in range(count):
        due += PACE_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        await reader.readexactly(length)
        took.append(time.perf_counter() - started)
        failed.append(0 if head.startswith(b"HTTP/1.1 200") else 1)
    writer.close()
    await writer.wait_closed()


async def round_of(address: Address) -> tuple[list[float], int]:
    took: list[float] = []
    failed: list[int] = []
    share = REQUESTS // CONNECTIONS
    await asyncio.gather(*(one_connection(address, share, took, failed) for _ in range(CONNECTIONS)))
    return took, sum(failed)


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
async def proxies(folder: Path) -> AsyncIterator[dict[str, Address]]:
    """Three Envoys: without capture, with it, and with it but no collector to take it."""
    content = body(2_000, 1, changed=False)
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(content)
    grpc_port, http_port, nobody, *ports = free_ports(6)
    with RedisServer(folder) as redis:
        settings: dict[str, object] = {
            "redis_url": redis.url,
            "collector_grpc": f"{LOOPBACK}:{grpc_port}",
            "collector_http": f"{LOOPBACK}:{http_port}",
        }
        async with contextlib.AsyncExitStack() as stack:
            v1 = await stack.enter_async_context(service({"/orders/1": answer + content}))
            stack.enter_context(Process(["collector"], settings, folder))
            at: dict[str, Address] = {}
            for name, port, collector in zip(
                ("off", "on", "on, collector dead"), ports, (nobody, grpc_port, nobody), strict=True
            ):
                at[name] = Address(LOOPBACK, port)
                config = configuration(at[name], Address(LOOPBACK, collector), v1.url, captured=name != "off")
                await stack.enter_async_context(envoy(config))
            yield at


async def run() -> None:
    with tempfile.TemporaryDirectory(prefix="mirrordiff-bench-") as name:
        async with proxies(Path(name)) as at:
            rounds: dict[str, list[tuple[float, float]]] = {capture: [] for capture in at}
            failures = dict.fromkeys(at, 0)
            for number in range(ROUNDS + 1):
                for capture, address in at.items():
                    took, failed = await round_of(address)
                    if number:  # the first warms up
                        cuts = statistics.quantiles(took, n=100)
                        rounds[capture].append((cuts[49] * 1e6, cuts[98] * 1e6))
                    failures[capture] += failed
    print(
        f"{REQUESTS} requests a round, {CONNECTIONS / PACE_S:.0f} a second, 2 KB bodies; "
        f"medians of {ROUNDS} rounds:"
    )
    off = statistics.median(p99 for _, p99 in rounds["off"])
    for capture, figures in rounds.items():
        p50 = statistics.median(p50 for p50, _ in figures)
        p99 = statistics.median(p99 for _, p99 in figures)
        print(
            f"  capture {capture:<20} p50 {p50:5.0f} µs   p99 {p99:5.0f} µs ({p99 / off - 1:+.0%})"
            f"   failed requests {failures[capture]}"
        )


def main() -> None:
    """Print the figures."""
    asyncio.run(run())
