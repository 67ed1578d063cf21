"""Values that are made at most once at a time, and given to all who ask while they are fresh.

How long that is depends on what it costs: a value that takes long to make is given for longer, so that
all who ask together cost a bounded share of the process, whatever they ask for and however often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Age:
    """For how many seconds a value is given again: ``least``, or ``times`` as long as it took to make, and
    never longer than ``most``. The defaults are shorter than anyone polls, and longer than a burst."""

    least: float = 0.5
    times: float = 10.0
    most: float = 5.0

    def of(self, took: float) -> float:
        """For a value that took so long to make."""
        return min(self.most, max(self.least, self.times * took))


NOT_AT_ALL = Age(0, 0, 0)
"""Nothing is given twice, but to those who ask while it is made."""


class Fresh(Generic[Key, Value]):
    """Values by key; of more than ``most`` keys those made first are forgotten."""

    def __init__(self, age: Age, most: int) -> None:
        self._age = age
        self._most = most
        self._kept: dict[Key, _Made[Value]] = {}

    async def get(self, key: Key, make: Callable[[], Awaitable[Value]]) -> Value:
        """The value of a key, made by ``make`` where there is no fresh one. Raises what ``make`` raises."""
        made = self._kept.get(key)
        if made is None or made.stale(self._age):
            self._kept.pop(key, None)
            if len(self._kept) >= self._most:
                self._kept.pop(next(iter(self._kept)))
            made = self._kept[key] = _Made(make)
        try:
            # One asker who leaves must not take the value from the others.
            return await asyncio.shield(made.task)
        except Exception:
            if self._kept.get(key) is made:
                del self._kept[key]
            raise


class _Made(Generic[Value]):
    def __init__(self, make: Callable[[], Awaitable[Value]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._took = 0.0
        self.task: asyncio.Task[Value] = asyncio.create_task(self._timed(make))
        # Where every asker has left, nobody else looks at what went wrong.
        self.task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _timed(self, make: Callable[[], Awaitable[Value]]) -> Value:
        value = await make()
        self._took = self._loop.time() - self._started
        return value

    def stale(self, age: Age) -> bool:
        return self.task.done() and self._loop.time() - self._started > age.of(self._took)
