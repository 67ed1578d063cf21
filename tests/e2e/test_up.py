"""``mirrordiff up`` as a person runs it: what it starts works, and nothing of it is ever left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import socket
import sys
import tempfile
import termios
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from differ.local import binaries, probe
from differ.local.ports import free_ports
from differ.local.process import Child
from tests.local.harness import eventually, service


@dataclass
class Run:
    """A running ``mirrordiff up``. ``folder`` is where it may put temporary files."""

    process: asyncio.subprocess.Process
    folder: Path
    listen: int
    api: int
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listen}"

    @property
    def children(self) -> dict[int, str]:
        """The processes below it, each with its command line."""
        parents = {int(stat[0]): int(stat[2]) for stat in _stats()}
        below = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in below} - below:
            below |= more
        return {pid: _command(pid) for pid in below - {self.process.pid}}

    async def up(self) -> None:
        """Wait until it says that it is up."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode())
            if line.startswith(b"Ctrl-C"):
                return
        _, errors = await self.process.communicate()
        raise AssertionError(f"it did not come up:\n{errors.decode()}")

    async def metric(self, process: str, name: str) -> float:
        """The sum of a metric over its labels."""
        (address,) = re.findall(rf"(http://\S+/metrics) \({process}\)", "".join(self.said))
        async with httpx.AsyncClient() as client:
            text = (await client.get(address)).text
        return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)))

    async def end(self) -> tuple[int, str]:
        """Wait for its end: exit code and standard error."""
        _, errors = await asyncio.wait_for(self.process.communicate(), 60)
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()


def _stats() -> list[list[str]]:
    """``/proc/PID/stat`` of every process, as pid, state and parent; those that have ended are left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = path.read_text().partition(" ")
            state, parent = rest.rpartition(") ")[2].split()[:2]
            if state != "Z":
                found.append([pid, state, parent])
    return found


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run."""
    return pids & {int(stat[0]) for stat in _stats()}


@contextlib.asynccontextmanager
async def starting(
    primary: str, shadow: str, *flags: str, stdout: int = asyncio.subprocess.PIPE
) -> AsyncIterator[Run]:
    """``mirrordiff up`` on ports of its own, with a temporary folder of its own."""
    listen, api, grpc = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "differ", "up", "--primary", primary, "--shadow", shadow,
            "--listen", str(listen), "--api-port", str(api), "--grpc-port", str(grpc), *flags,
            stdout=stdout, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "TMPDIR": folder, "TERM": "xterm"},
        )  # fmt: skip
        run = Run(process, Path(folder), listen, api)
        try:
            yield run
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


async def test_requests_are_mirrored_captured_and_judged() -> None:
    async with service() as v1, service() as v2, starting(v1.url, v2.url, "--workers", "2") as run:
        await run.up()
        assert {name for command in run.children.values() for name in _named(command)} == {
            "valkey-server", "collector", "worker", "api", "envoy",
        }  # fmt: skip
        async with httpx.AsyncClient(base_url=run.url) as client:
            for number in range(50):
                assert (await client.get(f"/items/{number}")).text == "ok"
            assert (await client.post("/items", content=b"x")).text == "ok"
        settled = 0.0
        while settled < 50:
            settled = sum(
                [await run.metric(name, "mirrordiff_settled_total") for name in ("worker-1", "worker-2")]
            )
        assert await run.metric("collector", "mirrordiff_captures_total") == 100
        assert await run.metric("collector", "mirrordiff_captures_dropped_total") == 0
        assert settled == 50
        async with httpx.AsyncClient(follow_redirects=True) as client:
            page = await client.get(f"http://127.0.0.1:{run.api}/")
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert len(v1.requests) == 51
    assert len(v2.requests) == 50


async def test_on_a_terminal_the_verdict_is_drawn_over_itself_as_it_changes() -> None:
    screen, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (30, 100))
    changed = {"/items/1": b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nchanged"}
    try:
        async with (
            service() as v1,
            service(changed) as v2,
            starting(v1.url, v2.url, stdout=terminal) as run,
        ):
            said = await asyncio.to_thread(read_until, screen, "0 pairs compared")
            async with httpx.AsyncClient(base_url=run.url) as client:
                for _ in range(20):
                    await client.get("/items/1")
            said += await asyncio.to_thread(read_until, screen, "1 finding")
            run.process.send_signal(signal.SIGINT)
            await asyncio.wait_for(run.process.wait(), 60)
    finally:
        os.close(screen)
        os.close(terminal)
    drawn = said.partition("Ctrl-C stops everything.")[2]
    assert re.search(r"\x1b\[\d+F\x1b\[J", drawn), "nothing was drawn over"
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", drawn)
    assert max(map(len, plain.splitlines())) < 100


def read_until(screen: int, text: str) -> str:
    """What a terminal shows, until it has shown ``text`` and the rest of that line."""
    shown = b""
    while text not in shown.decode("utf-8", "ignore").rpartition("\n")[0]:
        assert select.select([screen], [], [], 60)[0], f"{text!r} was not shown"
        shown += os.read(screen, 65_536)
    return shown.decode("utf-8", "ignore")


def _named(command: str) -> list[str]:
    names = ("valkey-server", "-m collector", "differ worker", "differ api", "bin/envoy")
    return [re.split(r"[ /]", name)[-1] for name in names if name in command]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_told_to_stop_it_leaves_no_process_and_no_file(number: signal.Signals) -> None:
    async with service() as v1, starting(v1.url, v1.url) as run:
        await run.up()
        children = set(run.children)
        assert len(children) >= 5
        assert list(run.folder.iterdir()) != []
        run.process.send_signal(number)
        assert (await run.end())[0] == 0
        assert alive(children) == set()
        assert list(run.folder.iterdir()) == []


async def test_what_envoy_still_holds_when_it_is_told_to_stop_is_kept() -> None:
    async with service() as v1, service() as v2, starting(v1.url, v2.url, "--verbose") as run:
        await run.up()
        async with httpx.AsyncClient(base_url=run.url) as client:
            for number in range(100):
                await client.get(f"/items/{number}")
        await eventually(lambda: len(v2.requests) == 100, "the shadow got all of them")
        run.process.send_signal(signal.SIGINT)
        code, errors = await run.end()
    assert code == 0
    (stopped,) = re.findall(r"collector \| (.*collector_stopped.*)", errors)
    assert (json.loads(stopped)["kept"], json.loads(stopped)["dropped"]) == (200, 0)


async def test_told_to_stop_while_it_starts_it_leaves_nothing() -> None:
    async with service() as v1, starting(v1.url, v1.url) as run:
        await eventually(lambda: len(run.children) >= 3, "some of it is started")
        children = set(run.children)
        run.process.send_signal(signal.SIGINT)
        assert (await run.end())[0] == 130
        assert alive(children) == set()
        assert list(run.folder.iterdir()) == []


async def test_killed_it_takes_its_children_along() -> None:
    async with service() as v1, starting(v1.url, v1.url) as run:
        await run.up()
        children = set(run.children)
        run.process.kill()
        await eventually(lambda: alive(children) == set(), "all of its children are gone")
        # The next run on this machine sweeps up what this one could not.
        left = list(run.folder.iterdir())
        assert len(left) == 1
        await _swept(run.folder)
        assert list(run.folder.iterdir()) == []


async def _swept(folder: Path) -> None:
    program = "from differ.local.scratch import private_directory\nwith private_directory(): pass"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={**os.environ, "TMPDIR": str(folder)}
    )
    assert await process.wait() == 0


async def test_when_one_of_its_processes_dies_it_says_which_and_stops() -> None:
    async with service() as v1, starting(v1.url, v1.url) as run:
        await run.up()
        children = run.children
        (collector,) = [pid for pid, command in children.items() if "collector" in command]
        os.kill(collector, signal.SIGKILL)
        code, errors = await run.end()
        assert code == 4
        assert "collector ended by itself (signal SIGKILL)" in errors
        assert alive(set(children)) == set()
        assert list(run.folder.iterdir()) == []


async def test_a_process_that_cannot_start_is_named_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIRRORDIFF_BATCH", "none")
    async with service() as v1, starting(v1.url, v1.url) as run:
        code, errors = await run.end()
        assert list(run.folder.iterdir()) == []
    assert code == 4
    assert "worker-1 did not start (exit code 3)" in errors
    assert "MIRRORDIFF_BATCH" in errors


async def test_services_that_are_not_there_yet_are_mentioned_and_no_fault() -> None:
    (port,) = free_ports(1)
    async with service() as v1, starting(v1.url, f"http://127.0.0.1:{port}") as run:
        await run.up()
        run.process.send_signal(signal.SIGINT)
        code, errors = await run.end()
    assert code == 0
    assert f"nothing answers at 127.0.0.1:{port} (--shadow) yet" in errors
    assert "(--primary)" not in errors


async def test_wrong_flags_and_taken_ports_are_told_at_once_and_nothing_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with starting("localhost:1", "http://u:geheim@b", "--listen", str(port)) as run:
            code, errors = await run.end()
            assert list(run.folder.iterdir()) == []
    assert code == 3
    assert "--primary has no scheme" in errors
    assert "--shadow has a user or password" in errors
    assert f"--listen: port {port} is taken by another program" in errors
    assert "geheim" not in errors


async def test_a_redis_that_does_not_answer_is_named_without_its_password() -> None:
    (port,) = free_ports(1)
    async with (
        service() as v1,
        starting(v1.url, v1.url, "--redis", f"redis://:geheim@127.0.0.1:{port}") as run,
    ):
        code, errors = await run.end()
        assert list(run.folder.iterdir()) == []
    assert code == 4
    assert f"nothing answers at redis://127.0.0.1:{port} (--redis)" in errors
    assert "geheim" not in errors


async def test_a_redis_of_ones_own_is_used_and_left_running_with_the_evidence() -> None:
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        socket_path = Path(folder, "redis.sock")
        options: list[str | Path] = [
            "--port",
            "0",
            "--unixsocket",
            socket_path,
            "--dir",
            folder,
            "--save",
            "",
        ]
        redis = Child("redis", [binaries.redis_server(), *options], log=Path(folder, "log"))
        redis.start()
        try:
            await eventually(lambda: probe.redis_answers(socket_path), "Redis takes commands")
            async with (
                service() as v1,
                starting(v1.url, v1.url, "--redis", f"unix://{socket_path}", "--service", "orders") as run,
            ):
                await run.up()
                assert not any("valkey" in command for command in run.children.values())
                async with httpx.AsyncClient(base_url=run.url) as client:
                    await client.get("/items/1")
                while await run.metric("worker-1", "mirrordiff_settled_total") < 1:
                    pass
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{run.api}") as client:
                    listed = (await client.get("/v1/services")).json()["services"]
                assert [each["displayName"] for each in listed] == ["orders"]
                run.process.send_signal(signal.SIGTERM)
                assert (await run.end())[0] == 0
            assert redis.running
            assert probe.redis_answers(socket_path)
        finally:
            redis.stop(5)
