"""Watching a verdict: what it is now, and again whenever it changes.

A watcher gets the newest verdict and never a backlog: one that reads slowly misses what was in
between and holds nothing in memory here. The resume token is the tag of the last verdict sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from differ.api.errors import OutOfRange, StoreUnavailable
from differ.core.document import Document

EVERY_S: Final = 1.0
"""How often a watched verdict is looked at. Watchers of one session share its snapshot."""

HEARTBEAT_S: Final = 15.0
"""After so long without a change a watcher hears that nothing has changed; proxies cut silent streams."""

_LONGEST_TOKEN: Final = 64


@dataclass(frozen=True, slots=True)
class Watched:
    """A verdict that has changed, or None as a sign of life. ``token`` resumes behind this."""

    verdict: Document | None
    token: str


async def watch(
    ask: Callable[[], Awaitable[Document]],
    resume_token: str = "",
    *,
    every_s: float = EVERY_S,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncIterator[Watched]:
    """The verdict that ``ask`` gives, at every change, without end.

    While the store is away nothing is sent but signs of life; what was wrong at first is raised.
    Raises OutOfRange for a token that was never given out.
    """
    if len(resume_token) > _LONGEST_TOKEN or not resume_token.isprintable():
        raise OutOfRange
    told = resume_token
    loop = asyncio.get_running_loop()
    verdict: Document | None = await ask()
    heard = loop.time()
    while True:
        if verdict is not None and verdict["etag"] != told:
            told = str(verdict["etag"])
            yield Watched(verdict, told)
            heard = loop.time()
        elif loop.time() - heard >= heartbeat_s:
            yield Watched(None, told)
            heard = loop.time()
        await asyncio.sleep(every_s)
        try:
            verdict = await ask()
        except StoreUnavailable:
            verdict = None
