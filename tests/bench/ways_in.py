# ruff: noqa: E501  - a table is as wide as it is
"""Each way into the collector: captures per second into Redis, and what one costs it in CPU time.

Real processes and a real Redis; what proxies send is made ahead. The senders share the machine with the
collector, so the CPU time of the collector is the figure to go by, and wall time only bounds it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx

from collector.extproc import METHOD
from differ.local.ports import free_ports
from mirrordiff.envoy.extproc_pb2 import (
    HeaderMap,
    HeaderValue,
    ProcessingBody,
    ProcessingHeaders,
    ProcessingRequest,
)
from tests.bench.whole_path import body, collector_alone, cpu_seconds, kept, ready
from tests.processes import Process
from tests.servers import RedisServer

CONCURRENCY = 64
IN_ONE_POST = 500


def headers(*pairs: tuple[str, str]) -> ProcessingHeaders:
    lines = [HeaderValue(key=key.encode(), raw_value=value.encode()) for key, value in pairs]
    return ProcessingHeaders(headers=HeaderMap(headers=lines))


def exchange(number: int, size: int) -> list[bytes]:
    """The messages of one exchange, as Envoy sends them in observability mode."""
    asked = headers(
        (":method", "GET"), (":path", f"/orders/{number}"), (":authority", "shop"), ("accept", "*/*"),
        ("user-agent", "bench"), ("x-request-id", f"id-{number}"), ("x-mirrordiff-pair", str(number)),
    )  # fmt: skip
    asked.end_of_stream = True
    answered = headers((":status", "200"), ("content-type", "application/json"), ("server", "bench"))
    data = body(size, number, changed=False)
    events = [
        ProcessingRequest(request_headers=asked),
        ProcessingRequest(response_headers=answered),
        ProcessingRequest(response_body=ProcessingBody(body=data)),
        ProcessingRequest(response_body=ProcessingBody(end_of_stream=True)),
    ]
    return [event.SerializeToString() for event in events]


async def send_exchanges(grpc_port: int, _: int, size: int, count: int) -> None:
    work = [(role, exchange(number, size)) for number in range(count // 2) for role in ("primary", "shadow")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        call: Any = channel.stream_stream(METHOD)

        async def some() -> None:
            while work:
                role, events = work.pop()
                metadata = (("x-mirrordiff-role", role), ("x-mirrordiff-service", "orders"))
                async for _ in call(iter(events), metadata=metadata):
                    pass

        await asyncio.gather(*[some() for _ in range(CONCURRENCY)])


async def send_posts(_: int, http_port: int, size: int, count: int) -> None:
    documents = [
        {
            "role": role, "service": "orders", "pair_id": str(number), "method": "GET",
            "path": f"/orders/{number}", "status": 200, "headers": [["content-type", "application/json"]],
            "body": body(size, number, changed=False).decode(), "started_us": number,
        }
        for number in range(count // 2) for role in ("primary", "shadow")
    ]  # fmt: skip
    posts = [
        gzip.compress("\n".join(map(json.dumps, documents[at : at + IN_ONE_POST])).encode(), 1)
        for at in range(0, count, IN_ONE_POST)
    ]
    kind = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}", timeout=60) as client:
        for post in posts:
            (await client.post("/v1/captures", content=post, headers=kind)).raise_for_status()


async def measure(
    name: str, send: Callable[[int, int, int, int], Awaitable[None]], folder: Path, size: int, count: int
) -> None:
    """One way in, one size."""
    grpc_port, http_port = free_ports(2)
    settings: dict[str, object] = {
        "collector_grpc": f"127.0.0.1:{grpc_port}",
        "collector_http": f"127.0.0.1:{http_port}",
        "stream_limit": 1_000_000,
        "queue_bytes": 512 * 1024 * 1024,
    }
    with (
        RedisServer(folder) as redis,
        Process(["collector"], {**settings, "redis_url": redis.url}, folder) as collector,
    ):
        await ready(http_port)
        before, started = cpu_seconds(collector), time.perf_counter()
        await send(grpc_port, http_port, size, count)
        await kept(http_port, count)
        took, cpu = time.perf_counter() - started, cpu_seconds(collector) - before
    print(
        f"  {name:<10} {size:>6} B  {count / took:>9,.0f} captures/s   collector {cpu / count * 1e6:6.1f} µs CPU a capture"
        f" ({count / cpu:,.0f}/s on one core)"
    )


async def run() -> None:
    for size, count in ((300, 1), (2_000, 2)):
        with tempfile.TemporaryDirectory(prefix="mirrordiff-bench-") as name:
            print("access log:")
            await collector_alone(Path(name), size, 100_000 // count)
        for way, send, captures in (("ext_proc", send_exchanges, 6_000), ("HTTP", send_posts, 40_000)):
            with tempfile.TemporaryDirectory(prefix="mirrordiff-bench-") as name:
                await measure(way, send, Path(name), size, captures // count)


def main() -> None:
    """Print the figures."""
    asyncio.run(run())


if __name__ == "__main__":
    main()
