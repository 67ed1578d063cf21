"""What Redis itself, and the collectors through it, say about what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError

from mirrordiff.process.redis import Client, is_cluster
from mirrordiff.redis_keys import key


@dataclass(frozen=True, slots=True)
class StoreState:
    """``runs`` are the ids of the histories that the servers which take writes are on.

    Another id than before means that a server was started anew, or that a replica took over: what was
    written last before that may be gone. It is the id of replication, for a server keeps that of its
    process when it is made a replica and a primary again; where there is none, it is that of the process.
    ``evicted`` counts the keys that they threw out since they were started. A server that hides this has
    no ids and has evicted nothing.
    """

    runs: tuple[str, ...] = ()
    evicted: int = 0


async def store_state(redis: Client) -> StoreState:
    """The state now."""
    nodes: dict[str, Any] = {"target_nodes": RedisCluster.PRIMARIES} if is_cluster(redis) else {}
    try:
        answer: dict[str, Any] = await redis.info("server", "stats", "replication", **nodes)
    except ResponseError:
        return StoreState()
    # Of several nodes each has its own answer.
    infos: list[Mapping[str, Any]] = (
        list(answer.values()) if nodes and "redis_version" not in answer else [answer]
    )
    runs = sorted(filter(None, (str(info.get("master_replid") or info.get("run_id", "")) for info in infos)))
    return StoreState(tuple(runs), sum(int(info.get("evicted_keys", 0)) for info in infos))


async def losses(redis: Client, service: str) -> dict[str, int]:
    """Captures of a service that were not kept, by reason. Those of no known service count for each."""
    rows = cast("dict[bytes, bytes]", await redis.hgetall(key("losses")))
    found: dict[str, int] = {}
    for name, count in rows.items():
        owner, _, reason = name.decode().partition("\n")
        if owner in {service, ""}:
            found[reason] = found.get(reason, 0) + int(count)
    return found
