"""The commands as processes of their own, as people and pipelines start them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from tests.api.conftest import free_port
from tests.waiting import eventually


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def command(*arguments: str, **environ: str) -> Ended:
    """``mirrordiff`` with these arguments, run to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "differ",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environ},
    )
    out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def api_process(redis_url: str, **environ: str) -> AsyncIterator[str]:
    """A running ``mirrordiff api``; gives its HTTP address. It must end by itself when told to."""
    http, grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    settings = {
        "MIRRORDIFF_REDIS_URL": redis_url,
        "MIRRORDIFF_API_HTTP": http,
        "MIRRORDIFF_API_GRPC": grpc,
        **environ,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "differ", "api", env={**os.environ, **settings}, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{http}") as client:

            async def ready() -> bool:
                if process.returncode is not None:
                    raise AssertionError(f"the API ended: {(await process.communicate())[1].decode()}")
                with contextlib.suppress(httpx.HTTPError):
                    return (await client.get("/readyz")).status_code == 200
                return False

            await eventually(ready, "the API is ready")
        yield http
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
