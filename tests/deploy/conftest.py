"""The API as an installation without evidence runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from differ.local.ports import free_ports
from tests.processes import Process
from tests.waiting import eventually


@pytest.fixture
async def api(redis: Any, redis_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running API process, which listens on this machine alone and so needs no token."""
    http, grpc = free_ports(2)
    settings: dict[str, object] = {
        "redis_url": redis_url,
        "api_http": f"127.0.0.1:{http}",
        "api_grpc": f"127.0.0.1:{grpc}",
    }
    with Process(["differ", "api"], settings, tmp_path) as process:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}") as client:

            async def answers() -> bool:
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(answers, process.said)
            yield client
