"""Waiting in tests: for a condition, with a bound, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


async def eventually(
    condition: Callable[[], Awaitable[Value]], description: str | Callable[[], str], *, within: float = 20.0
) -> Value:
    """What ``condition`` returned once that was true; fails after ``within`` seconds.

    ``description`` may be a function, for what is only known at that point, such as a log.
    """
    deadline = asyncio.get_running_loop().time() + within
    while True:
        value = await condition()
        if value:
            return value
        if asyncio.get_running_loop().time() > deadline:
            told = description if isinstance(description, str) else description()
            raise AssertionError(f"not within {within:g} s: {told}; last seen: {value!r}")
        await asyncio.sleep(0.02)
