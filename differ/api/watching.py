"""Watching a verdict: what it is now, and again whenever it changes.

A watcher gets the newest verdict and never a backlog: one that reads slowly misses what was in
between and holds nothing in memory here. The resume token is the tag of the last verdict sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from differ.api.errors import OutOfRange, StoreUnavailable
from differ.core.document import Document

EVERY_S: Final = 1.0
"""How often a watched verdict is looked at. Watchers of one session share its snapshot."""

HEARTBEAT_S: Final = 15.0
"""After so long without a change a watcher hears that nothing has changed; proxies cut silent streams."""

_TOKEN: Final = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Watched:
    """A verdict that has changed, or None as a sign of life. ``token`` resumes behind this."""

    verdict: Document | None
    token: str


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a verdict is looked at, and how long a watcher hears nothing. Seconds."""

    every_s: float = EVERY_S
    heartbeat_s: float = HEARTBEAT_S


async def watch(
    ask: Callable[[], Awaitable[Document]],
    stop: asyncio.Event,
    resume_token: str = "",
    pace: Pace = Pace(),  # frozen
) -> AsyncIterator[Watched]:
    """The verdict that ``ask`` gives, at every change, until ``stop`` is set.

    While the store is away nothing is sent but signs of life; what was wrong at first is raised.
    Raises OutOfRange for a token that was never given out.
    """
    if resume_token and not _TOKEN.fullmatch(resume_token):
        raise OutOfRange
    told = resume_token
    loop = asyncio.get_running_loop()
    verdict: Document | None = await ask()
    heard = loop.time()
    while True:
        tag = told if verdict is None else str(verdict["etag"]).strip('"')
        if tag != told:
            told = tag
            yield Watched(verdict, told)
            heard = loop.time()
        elif loop.time() - heard >= pace.heartbeat_s:
            yield Watched(None, told)
            heard = loop.time()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pace.every_s)
        if stop.is_set():
            return
        try:
            verdict = await ask()
        except StoreUnavailable:
            verdict = None
