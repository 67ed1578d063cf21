"""``mirrordiff gate`` against a running ``mirrordiff api``: what it prints, and its exit codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mirrordiff.process.redis import Client
from tests.api.conftest import free_port
from tests.api.processes import api_process, command
from tests.api.seeding import Seed, planted


@pytest.fixture
async def api(redis_url: str, redis: Client, tmp_path: Path) -> AsyncIterator[str]:
    """A running API whose policy is content with few pairs."""
    await redis.ping()
    policy = tmp_path / "policy.yaml"
    policy.write_text("min_pairs: 10\nmin_duration: 1s\ntolerance: 0.3\n")
    async with api_process(redis_url, MIRRORDIFF_POLICY=str(policy)) as address:
        yield address


async def test_each_verdict_has_its_exit_code(api: str, redis: Client) -> None:
    seed = Seed(service="calm")
    seed.same(40)
    await seed.write(redis)
    await planted(Seed(service="broken"), pairs=360).write(redis)

    ended = await command("gate", "calm", "--api", api)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("✓ PASS  calm  v1 → v2  40 pairs compared")

    ended = await command("gate", "broken", "--api", f"http://{api}/")
    assert ended.code == 1
    assert ended.out.startswith("✕ FAIL  broken  v1 → v2  600 pairs compared")
    findings = [line.split() for line in ended.out.splitlines() if "{id}" in line and " pairs" in line]
    assert ["high", "POST", "/orders/{id}/refund", "≠", "status", "200→500"] in [row[:6] for row in findings]

    ended = await command("gate", "unheard-of", "--api", api)
    assert ended.code == 2
    assert "NO_SESSION: no session of this service yet" in ended.out


async def test_json_is_the_document(api: str, redis: Client) -> None:
    await planted(Seed(), pairs=360).write(redis)
    ended = await command("gate", "orders", "-o", "json", MIRRORDIFF_API=api)
    document = json.loads(ended.out)
    assert ended.code == 1
    assert (document["verdict"], document["candidate"], document["pairs"]) == ("FAIL", "v2", "600")


async def test_waiting_ends_with_the_decision(api: str, redis: Client) -> None:
    waiting = asyncio.create_task(
        command("gate", "orders", "--api", api, "--wait", "--interval", "50ms", "--timeout", "1m")
    )
    seed = Seed()
    seed.same(40)
    await seed.write(redis)
    assert (await waiting).code == 0


async def test_waiting_in_vain_is_inconclusive(api: str) -> None:
    ended = await command(
        "gate", "orders", "--api", api, "--wait", "--interval", "50ms", "--timeout", "200ms"
    )
    assert ended.code == 2
    assert "INCONCLUSIVE" in ended.out
    assert ended.err.startswith("INCONCLUSIVE: ")


async def test_no_api_is_unreachable() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    for extra in ([], ["--wait", "--timeout", "100ms", "--interval", "50ms"]):
        ended = await command("gate", "orders", "--api", nowhere, *extra)
        assert (ended.code, ended.out) == (4, "")
        assert f"no API at http://{nowhere}" in ended.err
        assert "--api" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "SERVICE"),
        (["orders", "--api", "http://"], "host:port"),
        (["orders", "--api", "a:b:c"], "host:port"),
        (["orders", "--timeout", "soon"], "duration"),
        (["orders", "--gate", "a/b"], "gate's id"),
        (["orders", "-o", "xml"], "xml"),
    ],
)
async def test_wrong_usage(arguments: list[str], said: str) -> None:
    ended = await command("gate", *arguments)
    assert (ended.code, ended.out) == (3, "")
    assert said in ended.err


async def test_a_gate_that_is_not_configured_is_refused(api: str) -> None:
    # At once: it will be as little there when it is asked for again.
    for wait in ([], ["--wait"]):
        ended = await command("gate", "orders", "--api", api, "--gate", "strict", *wait)
        assert ended.code == 4
        assert ended.err.count("No such gate") == 1


async def test_a_policy_that_cannot_be_used_is_said_at_start(redis_url: str, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("tolerance: 7\ncolour: red\n")
    ended = await command("api", MIRRORDIFF_REDIS_URL=redis_url, MIRRORDIFF_POLICY=str(policy))
    assert ended.code == 3
    assert "tolerance" in ended.err
    assert "colour" in ended.err
    ended = await command("api", MIRRORDIFF_POLICY=str(tmp_path / "none.yaml"), MIRRORDIFF_API_HTTP="nowhere")
    assert ended.code == 3
    assert "MIRRORDIFF_API_HTTP" in ended.err
