"""A directory of one run: private, gone when the run ends, and swept up later where the run was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_PREFIX = "mirrordiff-"
_LOCK = "lock"

# The longest path of a Unix socket is 104 bytes on macOS and 108 on Linux, terminator included.
_LONGEST = 104 - len("/envoy-admin.sock") - 1


@contextlib.contextmanager
def private_directory() -> Iterator[Path]:
    """A new directory that only this user can read; removed at the end with all that is in it.

    Its path is short enough for Unix sockets. What earlier runs left behind because they were killed
    is removed first: a run holds a lock as long as it lives, and the system lets go of it.
    """
    parent = tempfile.gettempdir()
    if len(parent) + len(_PREFIX) + 9 > _LONGEST:
        parent = "/tmp"  # noqa: S108 - mkdtemp makes a directory of our own in it
    sweep(Path(parent))
    directory = Path(tempfile.mkdtemp(prefix=f"new-{_PREFIX}", dir=parent))
    try:
        with (directory / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Under its own name only now, or a run that starts at this moment could find it unlocked.
            directory = directory.rename(directory.with_name(directory.name.removeprefix("new-")))
            yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove the directories of runs that are no more, this user's alone."""
    for directory in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if directory.is_symlink() or directory.stat().st_uid != os.getuid():
                continue
            with (directory / _LOCK).open("r") as lock:
                if _free(lock):
                    shutil.rmtree(directory, ignore_errors=True)


def _free(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
