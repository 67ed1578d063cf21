"""What a signal's handler may set."""

from __future__ import annotations

import queue


class Signalled:
    """Is set once, also by a signal that comes while this very thread waits for it.

    ``threading.Event`` cannot be: its ``set`` takes a lock that the interrupted ``wait`` may hold, and then
    nothing goes on any more. ``SimpleQueue.put`` is made for that (Python's documentation of ``queue``).
    """

    def __init__(self) -> None:
        self._set = False
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """Wake who waits, and let nobody wait any more."""
        self._set = True
        self._told.put(None)

    def is_set(self) -> bool:
        """Whether it is."""
        return self._set

    def wait(self, seconds: float) -> bool:
        """Wait until it is, for so long at most; returns whether it is."""
        if not self._set:
            try:
                self._told.get(timeout=seconds)
            except queue.Empty:
                return self._set
            self._told.put(None)  # for others that wait
        return True
