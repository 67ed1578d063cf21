"""The whole path on a real Redis Cluster of three masters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from differ.core.tally import Tally
from differ.store.evidence import Evidence
from differ.store.examples import Examples
from mirrordiff.process.redis import UnsuitableRedis, check_suitable, connect
from tests.captures import Half, drained, pair, write
from tests.processes import worker
from tests.servers import PRODUCTS, Product, RedisCluster
from tests.waiting import eventually


async def tally_of(evidence: Evidence, service: str) -> Tally:
    (session,) = await evidence.sessions(service)
    return sum([await evidence.tally(session, epoch.id) for epoch in session.epochs], Tally())


@pytest.mark.parametrize("product", PRODUCTS)
async def test_pairs_are_counted_on_every_shard(product: Product, tmp_path: Path) -> None:
    cluster = RedisCluster(tmp_path, product=product)
    await cluster.start()
    client: Any = connect(cluster.url, name="tests")
    try:
        await check_suitable(client)
        with worker(cluster.url, tmp_path) as process:
            halves = [
                half for number in range(300) for half in pair(number, {"n": number}, {"n": number % 299})
            ]
            await write(
                client, [*halves, *(Half(number, "primary") for number in range(900, 910))], half_ttl=1
            )
            evidence = Evidence(client)

            async def counted() -> bool:
                if not await evidence.services() or not await drained(client):
                    return False
                (endpoint,) = (await tally_of(evidence, "orders")).endpoints.values()
                return (endpoint.compared, sum(endpoint.unpaired.values())) == (300, 10)

            await eventually(counted, f"every pair is counted:\n{process.said()}")
            assert await process.stop() == 0, process.said()
        (endpoint,) = (await tally_of(evidence, "orders")).endpoints.values()
        assert endpoint.different == 1
        (session,) = await evidence.sessions("orders")
        examples = Examples(client)
        (diff_id,) = await examples.ids(session, "", 2)
        assert (await examples.diffs(session, [diff_id]))[0].path == "/orders/299"
        assert [line.path for line in await examples.lines(session)] == ["/orders/299"]
        assert (await evidence.lag()).pairs == 0
    finally:
        await client.aclose()
        cluster.stop()


async def test_a_node_of_a_cluster_taken_for_a_server_is_refused(tmp_path: Path) -> None:
    cluster = RedisCluster(tmp_path)
    await cluster.start()
    client = connect(cluster.url.replace("+cluster", ""), name="tests")
    try:
        with pytest.raises(UnsuitableRedis, match=r"redis\+cluster://"):
            await check_suitable(client)
    finally:
        await client.aclose()
        cluster.stop()
