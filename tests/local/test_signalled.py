"""A flag that signals set: whatever the thread is doing that they interrupt."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType

from differ.local.signalled import Signalled


def test_it_wakes_who_waits_and_stays_set() -> None:
    flag = Signalled()
    assert not flag.wait(0.001)
    threads = [threading.Thread(target=flag.wait, args=(60,), daemon=True) for _ in range(3)]
    for each in threads:
        each.start()
    flag.set()
    for each in threads:
        each.join(10)
    assert not any(each.is_alive() for each in threads)
    assert flag.is_set()
    assert flag.wait(60)


def test_a_signal_at_any_moment_of_a_wait_sets_it() -> None:
    flags = [Signalled()]

    def on_alarm(_: int, __: FrameType | None) -> None:
        flags[-1].set()

    before = signal.signal(signal.SIGALRM, on_alarm)
    try:
        for _ in range(300):
            flags.append(Signalled())
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
            deadline = time.monotonic() + 10
            while not flags[-1].wait(0.00001):
                assert time.monotonic() < deadline
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
