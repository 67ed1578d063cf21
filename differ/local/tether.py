"""Becomes another program, one that cannot outlive its parent.

``python -I -S tether.py PARENT_PID PROGRAM ARGS…``

A process that is killed with SIGKILL cannot stop its children. On Linux the kernel does it: the
children are killed when the thread that started them ends. Where there is no such call the program
is run all the same.

Run as a file and without site packages, so that it costs a few milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def main(parent: int, command: list[str]) -> None:
    """Tie this process to ``parent`` and replace it by ``command``."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)  # it died before the tie was made
    _raise_open_file_limit()
    os.execv(command[0], command)  # noqa: S606


def _raise_open_file_limit() -> None:
    """A proxy holds two sockets for each request under way, and some systems start with a limit of 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
