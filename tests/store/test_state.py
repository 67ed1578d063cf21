"""What Redis says about itself: which run of it this is, and what it has thrown out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from differ.local.ports import free_ports
from differ.store.settlement import SessionId, Settlement
from differ.store.state import store_state
from mirrordiff.process.redis import UNAVAILABLE, connect
from tests.servers import RedisCluster, RedisServer
from tests.waiting import eventually


async def test_a_server_started_anew_is_another_run(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        client: Any = connect(server.url, name="tests")
        before = await store_state(client)
        assert await store_state(client) == before
        assert (len(before.runs), before.evicted) == (1, 0)
        server.kill()
        server.start()

        async def after() -> tuple[str, ...]:
            try:
                return (await store_state(client)).runs
            except UNAVAILABLE:
                return ()

        assert await eventually(after, "Redis answers again") != before.runs
        await client.aclose()


async def test_a_server_that_was_a_replica_meanwhile_is_another_run(tmp_path: Path) -> None:
    """Its process is the one it was, and what it took before may have been thrown away for another's."""
    with RedisServer(tmp_path) as server:
        client: Any = connect(server.url, name="tests")
        before = await store_state(client)
        await client.replicaof("127.0.0.1", free_ports(1)[0])
        await client.replicaof("NO", "ONE")
        assert (await store_state(client)).runs != before.runs
        await client.aclose()


async def test_what_is_thrown_out_for_want_of_memory_is_counted(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--maxmemory", "6mb", "--maxmemory-policy", "volatile-ttl") as server:
        client: Any = connect(server.url, name="tests")
        for number in range(100):
            await client.set(f"md:{{0}}:half:{number}", b"x" * 100_000, ex=60)
        assert (await store_state(client)).evicted > 0
        await client.aclose()


async def test_a_server_that_hides_it_has_no_runs(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--rename-command", "INFO", "") as server:
        client: Any = connect(server.url, name="tests")
        assert (await store_state(client)).runs == ()
        await client.aclose()


async def test_every_master_of_a_cluster_has_its_run(tmp_path: Path) -> None:
    cluster = RedisCluster(tmp_path)
    await cluster.start()
    try:
        client: Any = connect(cluster.url, name="tests")
        assert len(set((await store_state(client)).runs)) == 3
        settlement = Settlement(client)
        session = SessionId("orders", "v2")
        assert await settlement.admit(session, ["GET /a", "GET /b"], 3) is None
        known = await settlement.admit(session, ["GET /b", "GET /c", "GET /d"], 3)
        assert known is not None
        assert sorted(known) == ["GET /a", "GET /b", "GET /c"]
        assert await settlement.now_us() > 0
        await client.aclose()
    finally:
        cluster.stop()
