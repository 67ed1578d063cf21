"""Children: none outlives its parent, each ends when told to, and what they wrote last can be told."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from differ.local.process import Child
from differ.local.scratch import private_directory, sweep
from tests.local.harness import eventually


def script(tmp_path: Path, text: str) -> Child:
    return Child("child", [sys.executable, "-c", text], log=tmp_path / "child.log")


def alive(pid: int) -> bool:
    """Whether there is such a process and it is more than an entry that nobody has read yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


async def test_a_child_ends_when_asked(tmp_path: Path) -> None:
    child = script(tmp_path, "import time; print('here', flush=True); time.sleep(600)")
    child.start()
    await eventually(lambda: child.last_lines() == ["here"], "it said that it runs")
    assert (child.running, child.ending) == (True, "")
    child.stop(grace=30)
    assert child.ending == "signal SIGTERM"


async def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    child = script(
        tmp_path,
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
    )
    child.start()
    await eventually(lambda: child.last_lines() == ["deaf"], "it does not listen any more")
    child.stop(grace=0.01)
    assert child.ending == "signal SIGKILL"


async def test_how_it_ended_and_what_it_wrote_last_is_known(tmp_path: Path) -> None:
    child = script(tmp_path, "print('x\\n' * 100_000); print('one\\n\\ntwo'); raise SystemExit(3)")
    child.start()
    await eventually(lambda: not child.running, "it ended")
    assert child.ending == "exit code 3"
    assert child.last_lines(3) == ["x", "one", "two"]


async def test_the_terminals_signals_do_not_reach_it(tmp_path: Path) -> None:
    child = script(tmp_path, "import time; print('here', flush=True); time.sleep(600)")
    child.start()
    try:
        await eventually(lambda: child.last_lines() == ["here"], "it runs")
        assert child.pid is not None
        assert os.getsid(child.pid) == child.pid
    finally:
        child.kill()


def test_what_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    child = script(tmp_path, "")
    child.stop(grace=1)
    child.kill()
    assert (child.running, child.pid, child.last_lines()) == (False, None, [])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the children of a killed process")
async def test_children_do_not_survive_a_killed_parent(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    program = (
        "import sys, time, pathlib\n"
        "from differ.local.process import Child\n"
        "sleep = 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'\n"
        "Child('c', [sys.executable, '-c', sleep], log=pathlib.Path(sys.argv[1])).start()\n"
        "time.sleep(600)\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, log)
    await eventually(lambda: log.exists() and log.read_text().endswith("\n"), "the child runs")
    pid = int(log.read_text())
    assert alive(pid)
    parent.kill()
    await parent.wait()
    await eventually(lambda: not alive(pid), "the child is gone")


def test_a_private_directory_is_for_this_user_and_for_this_run(tmp_path: Path) -> None:
    with private_directory() as directory:
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "file").write_text("x")
        sweep(directory.parent)
        assert (directory / "file").exists()
    assert not directory.exists()


def test_what_a_killed_run_left_behind_is_swept_up(tmp_path: Path) -> None:
    left = tmp_path / "mirrordiff-left"
    left.mkdir()
    (left / "lock").touch()
    (left / "redis.log").write_text("x")
    foreign = tmp_path / "mirrordiff-notes"
    foreign.mkdir()
    sweep(tmp_path)
    assert not left.exists()
    assert foreign.exists()


def test_a_long_temporary_folder_is_not_used_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with private_directory() as directory:
        assert len(str(directory / "envoy-admin.sock")) < 104
