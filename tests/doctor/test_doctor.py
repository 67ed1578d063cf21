"""``mirrordiff doctor`` on a real Redis, as a person runs it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from differ.cli import Exit
from differ.local.ports import free_ports
from mirrordiff.redis_keys import key
from tests.captures import Half, pair, write
from tests.processes import worker
from tests.servers import RedisServer
from tests.waiting import eventually
from tests.worker.test_worker import all_judged


async def doctor(url: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "differ", "doctor", "--redis", url, *arguments,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_before_anything_is_captured(redis: Any, redis_url: str) -> None:
    code, out, _ = await doctor(redis_url)
    assert code == Exit.INCONCLUSIVE
    assert "nothing has been judged yet" in out


async def test_captures_and_no_worker(redis: Any, redis_url: str) -> None:
    await write(redis, pair(1, {}, {}))
    code, out, _ = await doctor(redis_url, "-o", "json")
    assert code == Exit.FAIL
    first = json.loads(out.splitlines()[0])
    assert (first["level"], first["topic"]) == ("wrong", "workers")
    assert first["message"].startswith("no worker is there; 1 entries wait")


async def test_well_then_ill(redis: Any, redis_url: str, tmp_path: Path) -> None:
    halves = [half for number in range(50) for half in pair(number, {"a": 1}, {"a": 1})]
    await write(redis, halves, half_ttl=0.05)
    with worker(redis_url, tmp_path) as process:
        await all_judged(redis, process)
        code, out, err = await doctor(redis_url)
        assert (code, err) == (Exit.PASS, ""), out
        assert "orders: captured: primary, shadow" in out

        await redis.hset(key("losses"), "orders\nqueue_full", 7)
        await redis.expire(key("losses"), 3600)
        alone = [Half(number, "primary", {}, service="cart") for number in range(5)]
        await write(redis, alone, half_ttl=0.05)

        told = ""

        async def noticed() -> bool:
            nonlocal told
            _, told, _ = await doctor(redis_url)
            return "cart: captured: primary alone" in told

        await eventually(noticed, lambda: told)
        code, out, _ = await doctor(redis_url)
        assert code == Exit.FAIL
        assert "7 captures of orders were not kept: queue_full" in out
        assert await process.stop() == 0


async def test_nobody_answers() -> None:
    code, out, err = await doctor(f"redis://somebody:secret@127.0.0.1:{free_ports(1)[0]}/0")
    assert (code, out) == (Exit.UNREACHABLE, "")
    assert "does not answer" in err
    assert "secret" not in err


async def test_a_wrong_url_and_a_wrong_password(tmp_path: Path) -> None:
    assert (await doctor("ftp://127.0.0.1"))[0] == Exit.USAGE
    with RedisServer(tmp_path, "--requirepass", "right") as server:
        code, _, err = await doctor(server.url)
        assert code == Exit.UNREACHABLE
        assert "right" not in err


async def test_a_server_that_may_throw_evidence_away(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--maxmemory-policy", "allkeys-lru", "--appendonly", "yes") as server:
        code, out, _ = await doctor(server.url)
    assert code == Exit.FAIL
    assert out.startswith("✗ redis: maxmemory-policy allkeys-lru")
    assert "append-only" in out
