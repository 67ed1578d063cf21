"""What Redis needs: bytes for a response that waits, a pair that waits to be judged, and a kept example.

Real records in a real server; what is measured is the growth of ``used_memory``.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from differ.store.evidence import Evidence
from mirrordiff.process import logs
from mirrordiff.process.redis import connect
from tests.bench.whole_path import body
from tests.captures import Half, write
from tests.processes import worker
from tests.servers import RedisServer
from tests.waiting import eventually

COUNT = 10_000


async def used(client: Any) -> int:
    """Bytes in use."""
    return int((await client.info("memory"))["used_memory"])


async def grown(client: Any, halves: list[Half]) -> float:
    """Bytes that each half has taken, once all are written."""
    before = await used(client)
    await write(client, halves, queue_bytes=1024**3)
    return (await used(client) - before) / len(halves)


async def measure(folder: Path, size: int) -> None:
    """One row: by body size."""
    with RedisServer(folder) as server:
        client: Any = connect(server.url, name="bench")
        await eventually(client.ping, "Redis answers")
        primaries = [Half(n, "primary", body(size, n, changed=False)) for n in range(COUNT)]
        shadows = [Half(n, "shadow", body(size, n, changed=True)) for n in range(COUNT)]
        waiting = await grown(client, primaries)
        backlog = waiting + await grown(client, shadows)
        with worker(server.url, folder) as process:
            evidence = Evidence(client)

            async def judged() -> bool:
                return (await evidence.lag()).pairs == 0

            await eventually(judged, process.said, within=60)
            # Every pair differs, and is one of a few signatures: what is left is marks, tallies, examples.
            left = await used(client)
            assert await process.stop() == 0
        await client.aclose()
    print(f"{size:8,} B  {waiting:10,.0f} B  {backlog:10,.0f} B  {left / COUNT:10,.0f} B")


async def run() -> None:
    """Print the table."""
    print(f"{'body':>10}  {'waiting half':>12}  {'waiting pair':>12}  {'left, judged':>12}   each")
    with tempfile.TemporaryDirectory(prefix="mirrordiff-bench-") as name:
        for size in (300, 2_000, 16_000):
            await measure(Path(name), size)


def main() -> None:
    """Print the figures."""
    logs.configure("warning")
    asyncio.run(run())


if __name__ == "__main__":
    main()
