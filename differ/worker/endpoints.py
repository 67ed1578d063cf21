"""The endpoints of each session, bounded over all workers together.

Recognising an endpoint takes no more than its path. Only whether there is still room for it has to be
agreed upon: a worker counts nothing under an endpoint before Redis has taken it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from differ.core.endpoints import LIMIT, Templates
from differ.store.settlement import SessionId, Settlement

MOST_SESSIONS: Final = 64
"""Sessions whose endpoints a worker remembers; of others it asks Redis again."""


class Endpoints:
    """Gives each request of a session its endpoint. ``given`` are the route templates of all services."""

    def __init__(self, settlement: Settlement, given: Sequence[str] = (), *, limit: int = LIMIT) -> None:
        self._settlement = settlement
        self._given = tuple(given)
        self._limit = limit
        self._templates: dict[SessionId, Templates] = {}
        self._left_out: set[tuple[SessionId, str]] = set()

    def of(self, session: SessionId, method: str, path: str) -> str:
        """The endpoint of a request; to be agreed upon where it is fresh."""
        templates = self._templates.get(session)
        if templates is None:
            self._make_room()
            templates = self._templates[session] = Templates(self._given, limit=self._limit)
        return templates.endpoint_of(method, path)

    def _make_room(self) -> None:
        if len(self._templates) >= MOST_SESSIONS:
            settled = (session for session, templates in self._templates.items() if not templates.fresh)
            self._templates.pop(next(settled, SessionId("", "")), None)

    @property
    def fresh(self) -> bool:
        """Whether endpoints were recognised that are not agreed upon yet."""
        return any(templates.fresh for templates in self._templates.values())

    async def agree(self) -> set[tuple[SessionId, str]]:
        """Have Redis take what is fresh; returns what there was no room for. Safe to repeat."""
        for session, templates in self._templates.items():
            fresh = templates.fresh
            if not fresh:
                continue
            known = await self._settlement.admit(session, fresh, self._limit)
            if known is None:
                templates.settled()
            else:
                self._left_out.update((session, endpoint) for endpoint in set(fresh) - set(known))
                templates.close(known)
        left_out, self._left_out = self._left_out, set()
        return left_out
