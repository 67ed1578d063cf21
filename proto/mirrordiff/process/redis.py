"""How a process of mirrordiff connects to Redis, calls its scripts there, and what it refuses.

One URL says where:

===================================================== ==================================================
``redis://[user:password@]host[:6379][/db]``          one server; ``rediss://`` with TLS, ``unix://path``
``redis+cluster://[user:password@]host[:6379]``       a Redis Cluster, by any of its nodes
``redis+sentinel://host[:26379][,host…]/name``        whichever server Sentinel calls the master ``name``
===================================================== ==================================================

``rediss+cluster`` and ``rediss+sentinel`` speak TLS; what redis-py reads from a URL's query
(``ssl_ca_certs``, ``ssl_certfile``, …) it reads here too.

redis-py 8 waits up to 5 s for an answer and retries ten times by itself. Commands keep the first
with fewer retries; a blocking read gets a client of its own whose socket waits longer than it
blocks, or every quiet second would look like a fault.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    BusyLoadingError,
    ClusterError,
    MasterDownError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

BLOCK_MS: Final = 1000
"""How long one blocking read waits; short enough that stopping does not wait for it long."""

UNAVAILABLE: Final = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    BusyLoadingError,
    ReadOnlyError,  # a master that has just become a replica
    ClusterError,  # a shard without a master, until one is elected
    MasterDownError,
    MasterNotFoundError,
    TryAgainError,
)
"""What a call raises while Redis is away, starting, or failing over. It may be repeated."""

_NOT_NOW: Final = frozenset({"BUSY", "MISCONF", "NOREPLICAS", "OOM", "UNBLOCKED"})
"""The codes of answers of a server that is there, and will do what is asked once something else is
done: a script has ended, a disk or a replica is back, there is memory, it is known who is master.

Of the source of Redis 7 to 8.2 and Valkey 9; redis-py has a class of its own for OOM alone.
"""

_OF_PIPELINE: Final = re.compile(r"caused error: \(?['\"]?([A-Z]+)\b")
"""Where redis-py's pipelines put what the server said."""

Client = Redis
"""A Redis Cluster's client is used through the same methods; what differs between them is not used."""


class UnsuitableRedis(Exception):
    """This Redis would lose evidence. The message says which setting and what would be right."""


def redact_url(url: str) -> str:
    """The URL without its credentials, for logs."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="").geturl()


def code(error: RedisError | OSError) -> str:
    """The word that the server's answer begins with, such as ``NOPERM``, or what kind of error it is.

    For logs: what follows that word may repeat what was sent.
    """
    if isinstance(error, ResponseError):
        text = str(error)
        found = _OF_PIPELINE.search(text) or re.match(r"([A-Z]+)\b", text)
        said = error.status_code or (found and found[1])
        if said:
            return said
    return type(error).__name__


def passes(error: RedisError | OSError) -> bool:
    """Whether the same call may be answered later: Redis is away, or takes no writes at the moment."""
    return isinstance(error, UNAVAILABLE) or code(error) in _NOT_NOW


def is_cluster(client: Client) -> bool:
    """Whether keys of several slots cannot be read in one blocking call."""
    return isinstance(client, RedisCluster)


def connect(url: str, *, name: str, blocking: bool = False) -> Client:
    """A client for commands, or for blocking reads of up to BLOCK_MS. Connects at first use.

    Raises ValueError where the URL cannot be one of Redis.
    """
    scheme, _, kind = urlsplit(url).scheme.partition("+")
    retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 1 if blocking else 3)
    options: dict[str, Any] = {
        "client_name": f"mirrordiff-{name}",
        "decode_responses": False,
        "protocol": 3,
        "legacy_responses": False,
        "socket_connect_timeout": 3,
        "socket_timeout": BLOCK_MS / 1000 + 4 if blocking else 5,
        # No health checks: redis-py makes one while it says hello, and where the server refuses that for
        # want of a password it connects, checks and is refused for ever, instead of raising.
        "health_check_interval": 0,
    }
    match kind:
        case "":
            return Redis.from_url(url, **options, retry=retry)
        case "cluster":
            # Only the attempt count of a cluster's Retry is used; nodes are asked anew in between.
            cluster: Any = RedisCluster.from_url(url.replace("+cluster", "", 1), **options, retry=retry)
            return cluster  # type: ignore[no-any-return]
        case "sentinel":
            return _by_sentinel(url, tls=scheme == "rediss", **options, retry=retry)
        case _:
            raise ValueError(f"a URL with {scheme}+{kind}: write redis, redis+cluster or redis+sentinel")


def _by_sentinel(url: str, *, tls: bool, **options: Any) -> Client:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    master, _, database = parts.path.strip("/").partition("/")
    if not hosts or not master:
        raise ValueError(
            "redis+sentinel:// needs hosts and a master's name: redis+sentinel://host:26379/mymaster"
        )
    sentinels = []
    for host in hosts.split(","):
        single = urlsplit(f"//{host}")
        sentinels.append((single.hostname or "", single.port or 26379))
    user, _, password = credentials.partition(":")
    options |= dict(parse_qsl(parts.query))
    if tls:
        options["ssl"] = True
    sentinel: Any = Sentinel(sentinels, socket_connect_timeout=1, socket_timeout=1)  # type: ignore[no-untyped-call]
    client: Client = sentinel.master_for(
        master,
        redis_class=_OfSentinel,
        **options,
        db=int(database or 0),
        username=unquote(user) or None,
        password=unquote(password) or None,
    )
    return client


class _OfSentinel(Redis):
    """Closes what it asks the Sentinels by, too, which redis-py leaves open."""

    async def aclose(self, *arguments: Any, **options: Any) -> None:
        await super().aclose(*arguments, **options)
        pool: Any = self.connection_pool
        for each in pool.sentinel_manager.sentinels:
            await each.aclose()


class Script:
    """A Lua script, called by its digest and loaded where a server does not know it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def call(
        self, client: Client, calls: Sequence[tuple[Sequence[str | bytes], Sequence[str | bytes | int]]]
    ) -> list[Any]:
        """Call it with each (keys, arguments), all in one round trip; the answers in order.

        Where a server has lost the script in the meantime, all calls are made again: a script called
        this way must bear being repeated.
        """
        while True:
            pipeline = client.pipeline(transaction=False)
            for keys, arguments in calls:
                pipeline.execute_command("EVALSHA", self._digest, len(keys), *keys, *arguments)
            try:
                return await pipeline.execute()
            except NoScriptError:
                await client.script_load(self.source)


async def check_suitable(client: Client) -> None:
    """Raise UnsuitableRedis where the server could throw evidence away by itself, or is another kind.

    A server that hides its configuration is taken at its word: managed ones do.
    """
    with contextlib.suppress(ResponseError):
        info = await client.info("cluster", **_on_any_node(client))
        if int(info.get("cluster_enabled", 0)) and not is_cluster(client):
            raise UnsuitableRedis("this Redis is a node of a cluster: write its URL as redis+cluster://…")
    with contextlib.suppress(ResponseError):
        # Not CONFIG GET, which managed servers hide, and which would tell its user passwords too.
        memory = await client.info("memory", **_on_any_node(client))
        policy = str(memory.get("maxmemory_policy", ""))
        if policy.startswith("allkeys-"):
            raise UnsuitableRedis(
                f"this Redis has maxmemory-policy {policy}, which may evict a whole stream or tally and "
                "with it evidence, without a trace: set it to volatile-ttl or noeviction"
            )


def _on_any_node(client: Client) -> dict[str, Any]:
    return {"target_nodes": RedisCluster.RANDOM} if is_cluster(client) else {}


__all__ = [
    "BLOCK_MS",
    "UNAVAILABLE",
    "Client",
    "RedisError",
    "Script",
    "UnsuitableRedis",
    "check_suitable",
    "code",
    "connect",
    "is_cluster",
    "passes",
    "redact_url",
]
