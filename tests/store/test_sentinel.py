"""A Redis watched by a real Sentinel: failed over as for maintenance, and after its master was lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from differ.store.evidence import Evidence
from mirrordiff.process.redis import check_suitable, connect
from tests.captures import pair, write
from tests.processes import worker
from tests.servers import RedisSentinel
from tests.store.test_cluster import tally_of
from tests.waiting import eventually


async def test_work_goes_on_with_the_next_master(tmp_path: Path) -> None:
    sentinel = RedisSentinel(tmp_path)
    client: Any = connect(sentinel.url, name="tests")
    try:
        await sentinel.start()
        await check_suitable(client)
        with worker(sentinel.url, tmp_path) as process:

            async def counted(pairs: int) -> None:
                async def all_of_them() -> bool:
                    evidence = Evidence(client)
                    if not await evidence.services():
                        return False
                    endpoints = (await tally_of(evidence, "orders")).endpoints.values()
                    return sum(endpoint.compared for endpoint in endpoints) == pairs

                await eventually(all_of_them, lambda: f"{pairs} pairs are counted:\n{process.said()}")

            async def noted(stores: int) -> None:
                async def known() -> bool:
                    (session,) = await Evidence(client).sessions("orders")
                    return len(session.stores) == stores

                await eventually(known, lambda: f"{stores} masters are noted:\n{process.said()}")

            async def mirrored(numbers: range) -> None:
                await write(client, [half for n in numbers for half in pair(n, {"n": n}, {"n": n})])

            await mirrored(range(50))
            await counted(50)
            await sentinel.fail_over()
            await mirrored(range(50, 100))
            await counted(100)
            # Each master in turn is noted: a verdict tells that something may be gone with the one before.
            await noted(2)
            await sentinel.lose_master()
            await mirrored(range(100, 150))
            await counted(150)
            await noted(3)
            assert await process.stop() == 0, process.said()
    finally:
        await client.aclose()
        sentinel.stop()
