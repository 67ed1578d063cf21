"""Real servers for the tests, a Valkey and a Redis: emptied for each test, and what stays is checked."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mirrordiff.process.redis import connect
from mirrordiff.redis_keys import KEYS
from tests.servers import Product, RedisServer
from tests.waiting import eventually

# How long an example takes says something about the machine, and nothing about a law.
settings.register_profile("mirrordiff", deadline=None)
settings.load_profile("mirrordiff")


@pytest.fixture(scope="session")
def redis_servers() -> Iterator[Callable[[Product], str]]:
    """The URL of a server of the run's own, on a unix socket: one of each product that is asked for."""
    with contextlib.ExitStack() as stack:

        @cache
        def running(product: Product) -> str:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mirrordiff-tests-"))
            return stack.enter_context(RedisServer(Path(folder), product=product)).url

        yield running


@pytest.fixture
def redis_url(request: pytest.FixtureRequest, redis_servers: Callable[[Product], str]) -> str:
    """A running Valkey, or what `ON_EACH_PRODUCT` says."""
    return redis_servers(getattr(request, "param", "valkey"))


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Any]:
    """A client on an empty server. Every key that the test leaves must be one of the map's."""
    client = connect(redis_url, name="tests")
    await eventually(lambda: _answers(client), "Redis answers")
    await client.flushall()
    try:
        yield client
        await assert_only_known_keys(client)
    finally:
        await client.aclose()


async def _answers(client: Any) -> bool:
    return bool(await client.ping())


async def assert_only_known_keys(client: Any) -> None:
    """Each key belongs to a family of the map, has its type, and expires where its family does."""
    async for raw in client.scan_iter():
        name = raw.decode()
        families = [family for family in KEYS if family.pattern.fullmatch(name)]
        assert families, f"{name} is in no row of the map of keys"
        family = families[0]
        kind, left_ms = await client.pipeline().type(raw).pttl(raw).execute()
        if kind == b"none":
            continue  # it has expired since it was listed
        assert kind.decode() == family.type, name
        if family.ttl is not None:
            assert 0 <= left_ms <= family.ttl * 1000, f"{name} outlives its family's TTL"
