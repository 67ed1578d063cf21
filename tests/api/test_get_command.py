"""``mirrordiff get``, ``describe``, ``watch`` and ``completion`` against a running API."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest
import yaml

from mirrordiff.process.redis import Client
from tests.api.processes import api_process, command
from tests.api.seeding import Seed, planted


@pytest.fixture
async def api(redis_url: str, redis: Client) -> AsyncIterator[str]:
    await planted(Seed(service="orders api"), pairs=120).write(redis)
    async with api_process(redis_url) as address:
        yield address


async def test_lists_as_tables_and_documents(api: str) -> None:
    async def got(*arguments: str) -> str:
        ended = await command("get", *arguments, MIRRORDIFF_API=api)
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    table, sessions, signatures, few = await asyncio.gather(
        got("services"),
        got("sessions", "orders api", "-o", "json"),
        got("signatures", "orders api", "-o", "yaml", "--filter", 'risk = "high"', "--order-by", "field"),
        got("endpoints", "orders api", "--filter", "pairs = 120"),
    )
    assert table.splitlines()[0].split() == ["SERVICE", "ID", "LAST", "SEEN"]
    assert table.splitlines()[1].startswith("orders api  orders-api-")
    assert [each["candidate"] for each in json.loads(sessions)] == ["v2"]
    assert [each["field"] for each in yaml.safe_load(signatures)] == ["$.refunded", "$.total", "status"]
    assert len(few.splitlines()) == 2
    assert "GET /orders/{id}  regressed" in few


async def test_one_is_described(api: str) -> None:
    listed = await command("get", "diffs", "orders api", "--api", api, "--limit", "1", "-o", "json")
    assert "more: --limit" in listed.err
    diff = json.loads(listed.out)[0]["name"].rpartition("/")[2]
    ended = await command("describe", "diff", "orders api", diff, "--api", api)
    assert yaml.safe_load(ended.out)["primary"]["version"] == "v1"


async def test_times_are_to_the_second(api: str) -> None:
    for kind in ("services", "sessions", "diffs"):
        ended = await command("get", kind, "orders api", "--api", api, "--limit", "1")
        assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( |\n)", ended.out), ended.out


async def test_what_cannot_be_got(api: str) -> None:
    missing, unknown, bad = await asyncio.gather(
        command("get", "signatures", "--api", api),
        command("get", "signatures", "nobody", "--api", api),
        command("get", "signatures", "orders api", "--filter", "colour = red", "--api", api),
    )
    assert (missing.code, unknown.code, bad.code) == (3, 4, 4)
    assert "of which service?" in missing.err
    assert "No such service" in unknown.err
    assert "unknown column colour" in bad.err


async def test_watching_says_each_change(api: str, redis: Client) -> None:
    watching = asyncio.create_task(command("watch", "orders api", "--api", api, "--count", "2", "-o", "json"))
    seed = Seed(service="orders api", candidate="v3", started_us=Seed().started_us + 1_000_000)
    seed.same(20)
    while not watching.done():
        # Until two changes were seen: more pairs are a change every time.
        await seed.write(redis)
        await asyncio.wait([watching], timeout=0.2)
    ended = await watching
    assert ended.code == 0
    first, second = (json.loads(line) for line in ended.out.splitlines())
    assert first["etag"] != second["etag"]
    assert second["candidate"] == "v3"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion(shell: str) -> None:
    ended = await command("completion", shell)
    assert ended.code == 0
    assert "_MIRRORDIFF_COMPLETE" in ended.out
