"""How a process of mirrordiff connects to Redis, and what it refuses.

redis-py 8 waits up to 5 s for an answer and retries ten times by itself. Commands keep that, with
fewer retries; a blocking read gets a client of its own whose socket waits longer than it blocks,
or every quiet second would look like a fault.
"""

from __future__ import annotations

import contextlib
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

BLOCK_MS = 1000
"""How long one blocking read waits; short enough that stopping does not wait for it long."""

UNAVAILABLE = (RedisConnectionError, RedisTimeoutError, OSError)
"""What a call raises while Redis is away."""

Client = Redis


class UnsuitableRedis(Exception):
    """This Redis would lose evidence. The message says which setting and what would be right."""


def redact_url(url: str) -> str:
    """The URL without its credentials, for logs."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="").geturl()


def connect(url: str, *, name: str, blocking: bool = False) -> Client:
    """A client for commands, or for blocking reads of up to BLOCK_MS. Connects at first use.

    Raises ValueError where the URL cannot be one of Redis.
    """
    return Redis.from_url(
        url,
        client_name=f"mirrordiff-{name}",
        decode_responses=False,
        protocol=3,
        legacy_responses=False,
        socket_connect_timeout=3,
        socket_timeout=BLOCK_MS / 1000 + 4 if blocking else 5,
        health_check_interval=30,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 1 if blocking else 3),
    )


async def check_suitable(client: Client) -> None:
    """Raise UnsuitableRedis where the server could throw evidence away by itself.

    A server that hides its configuration is taken at its word: managed ones do.
    """
    with contextlib.suppress(ResponseError):
        answer = await client.config_get("maxmemory-policy")
        values = {_text(name): _text(value) for name, value in answer.items()}
        policy = values.get("maxmemory-policy", "")
        if policy.startswith("allkeys-"):
            raise UnsuitableRedis(
                f"this Redis has maxmemory-policy {policy}, which may evict a whole stream or tally and "
                "with it evidence, without a trace: set it to volatile-ttl or noeviction"
            )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


__all__ = [
    "BLOCK_MS",
    "UNAVAILABLE",
    "Client",
    "RedisError",
    "UnsuitableRedis",
    "check_suitable",
    "connect",
    "redact_url",
]
