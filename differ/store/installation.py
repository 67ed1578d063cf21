"""What an installation looks like from its Redis: the servers, the backlog, what was lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError

from mirrordiff.process.redis import Client, is_cluster
from mirrordiff.redis_keys import GROUP, PARTITIONS, key, partition_key


@dataclass(frozen=True, slots=True)
class Server:
    """One server that takes writes, as it describes itself. What it hides is empty or zero.

    ``version`` is of the Redis commands it knows: Valkey tells 7.2.4 here. ``most_memory`` 0: no bound.
    """

    version: tuple[int, ...] = ()
    product: str = "Redis"
    role: str = ""
    cluster: bool = False
    policy: str = ""
    memory: int = 0
    most_memory: int = 0
    evicted: int = 0
    append_only: bool = False


@dataclass(frozen=True, slots=True)
class Workers:
    """What the consumer group tells, over all partitions: ``partitions`` that have the group, the most
    workers in one of them, and entries that a worker has taken and not settled.

    None of it where the server does not let this be asked.
    """

    partitions: int
    most: int
    taken: int


async def servers(redis: Client) -> list[Server]:
    """Every server that takes writes; one for all but a cluster. Empty where INFO is not allowed."""
    nodes: dict[str, Any] = {"target_nodes": RedisCluster.PRIMARIES} if is_cluster(redis) else {}
    try:
        answer = await redis.info(**nodes)
    except ResponseError:
        return []
    infos = [answer] if "redis_version" in answer else list(answer.values())
    return [_server(info) for info in infos if isinstance(info, Mapping)]


async def workers(redis: Client) -> Workers | None:
    """The consumer group, or None where the server does not let it be asked."""
    found: list[Mapping[str, Any]] = []
    for number in range(PARTITIONS):
        try:
            groups: list[dict[str, Any]] = await redis.xinfo_groups(partition_key("ready", number))
        except ResponseError as error:
            if str(error).startswith("no such key"):
                continue
            return None
        found += [group for group in groups if _text(group["name"]) == GROUP]
    return Workers(
        len(found),
        max((int(group["consumers"]) for group in found), default=0),
        sum(int(group["pending"]) for group in found),
    )


async def all_losses(redis: Client) -> dict[tuple[str, str], int]:
    """Captures not kept since anything was lost last (up to 30 days), by service and reason."""
    rows = cast("dict[bytes, bytes]", await redis.hgetall(key("losses")))
    found: dict[tuple[str, str], int] = {}
    for name, count in rows.items():
        service, _, reason = name.decode().partition("\n")
        found[service, reason] = int(count)
    return found


def _server(info: Mapping[str, Any]) -> Server:
    valkey = info.get("valkey_version")
    version = str(info.get("redis_version", ""))
    return Server(
        version=tuple(int(part) for part in version.split(".") if part.isdigit()),
        product=f"Valkey {valkey}" if valkey else f"Redis {version}",
        role=str(info.get("role", "")),
        cluster=bool(int(info.get("cluster_enabled", 0))),
        policy=str(info.get("maxmemory_policy", "")),
        memory=int(info.get("used_memory", 0)),
        most_memory=int(info.get("maxmemory", 0)),
        evicted=int(info.get("evicted_keys", 0)),
        append_only=bool(int(info.get("aof_enabled", 0))),
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
