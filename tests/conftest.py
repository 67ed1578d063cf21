"""Real servers for the tests: one Valkey a run, emptied for each test, and a check on what stays in it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mirrordiff.process.redis import connect
from mirrordiff.redis_keys import KEYS
from tests.servers import RedisServer
from tests.waiting import eventually

# How long an example takes says something about the machine, and nothing about a law.
settings.register_profile("mirrordiff", deadline=None)
settings.load_profile("mirrordiff")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A server of the run's own, on a unix socket."""
    with (
        tempfile.TemporaryDirectory(prefix="mirrordiff-tests-") as folder,
        RedisServer(Path(folder)) as server,
    ):
        yield server.url


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
        assert (await client.type(raw)).decode() == family.type, name
        if family.ttl is not None:
            assert 0 < await client.ttl(raw) <= family.ttl, f"{name} outlives its family's TTL"
