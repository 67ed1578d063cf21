"""mirrordiff's processes as users start them, for tests that watch, stop and kill them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from differ.local.ports import free_ports
from tests.waiting import eventually


class Process:
    """One process; ended with its block, its log kept in ``folder`` for the message of a failed test.

    ``within`` is a command that replaces itself by the one that it is given.
    """

    def __init__(
        self, command: list[str], environment: dict[str, object], folder: Path, within: Sequence[str] = ()
    ) -> None:
        self.log = folder / f"{'-'.join(command)}-{free_ports(1)[0]}.log"
        self._stderr = self.log.open("wb")
        settings = {f"MIRRORDIFF_{name.upper()}": str(value) for name, value in environment.items()}
        self.popen = subprocess.Popen(
            [*within, sys.executable, "-W", "error", "-m", *command],
            env={**os.environ, **settings},
            stdout=self._stderr,
            stderr=self._stderr,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self._stderr.close()

    @property
    def pid(self) -> int:
        return self.popen.pid

    def kill(self) -> None:
        """End it at once, as the kernel would for want of memory."""
        self.popen.kill()
        self.popen.wait()

    async def stop(self) -> int:
        """Ask it to end as an orchestrator does, once it is up; returns its exit code."""

        async def up() -> bool:
            return "_ready" in self.said() or self.popen.poll() is not None

        await eventually(up, lambda: f"the process is up:\n{self.said()}", within=60)
        self.popen.send_signal(signal.SIGTERM)

        async def ended() -> list[int]:
            code = self.popen.poll()
            return [] if code is None else [code]

        return (await eventually(ended, f"the process ends:\n{self.said()}"))[0]

    def said(self) -> str:
        """What it has logged."""
        return self.log.read_text("utf-8", "replace")


@contextlib.asynccontextmanager
async def slowed(pid: int) -> AsyncIterator[None]:
    """A process that runs for 5 ms in each quarter of a second, and as before afterwards."""

    async def in_turns() -> None:
        while True:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(0.245)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.005)

    turns = asyncio.create_task(in_turns())
    try:
        yield
    finally:
        turns.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await turns
        os.kill(pid, signal.SIGCONT)


def worker(url: str, folder: Path, **settings: object) -> Process:
    """A worker that takes over what others left after half a second."""
    defaults: dict[str, object] = {
        "redis_url": url,
        "worker_http": f"127.0.0.1:{free_ports(1)[0]}",
        "reclaim_after": 0.5,
    }
    return Process(["differ", "worker"], {**defaults, **settings}, folder)
