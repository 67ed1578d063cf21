"""The kept diffs of a session: pages of them, and each by itself.

A page without a filter costs what is on it. For a filter or another order all lines are read, and shared
by all who ask within the same moment. Either way the diffs themselves are read for one page alone.
"""

from __future__ import annotations

import asyncio
from typing import Final

from differ.api import audit
from differ.api.errors import NotFound, Reason
from differ.api.fresh import Age, Fresh
from differ.api.paging import Page, PageRequest
from differ.api.query import Column, Columns, Query
from differ.api.resources import Diff, rfc3339, session_name
from differ.store.evidence import Session
from differ.store.examples import Examples
from differ.store.records import KeptDiff, KeptLine

COLUMNS: Final[Columns[KeptLine]] = {
    "time": Column(lambda each: rfc3339(each.at_us)),
    "endpoint": Column(lambda each: each.endpoint),
    "method": Column(lambda each: each.method),
    "path": Column(lambda each: each.path),
    "outcome": Column(lambda each: each.outcome),
    "request_id": Column(lambda each: each.request_id),
    "signature": Column(lambda each: " ".join(each.signatures)),
}
"""What the list can be filtered and ordered by."""

_MOST_SESSIONS: Final = 2
"""Sessions whose lines are held at once: some 50 MB each, where as many diffs are kept as may be."""


class Diffs:
    """Reads diffs as the current caller may see them. What the store raises is raised."""

    def __init__(self, examples: Examples, age: Age) -> None:
        self._examples = examples
        self._lines: Fresh[str, list[KeptLine]] = Fresh(age, _MOST_SESSIONS)

    async def page(self, session: Session, page: PageRequest, query: Query, *, full: bool) -> Page[Diff]:
        """A page, newest first unless an order is wanted."""
        wanted = ("diffs", session.key, query.filter, query.order_by, "FULL" if full else "BASIC")
        found = await self._ids(session, page, query, wanted)
        kept = await self._examples.diffs(session, found.items)
        return Page(audit.diffs(session, kept, full=full), found.next_token, found.total)

    async def _ids(
        self, session: Session, page: PageRequest, query: Query, wanted: tuple[str, ...]
    ) -> Page[str]:
        if query == Query():
            before = page.behind(*wanted)
            ids, total = await asyncio.gather(
                self._examples.ids(session, before, page.most + 1), self._examples.count(session)
            )
            return page.keyed(ids, total, *wanted)
        query.check(COLUMNS)
        lines = await self._lines.get(session.key, lambda: self._examples.lines(session))
        found = [line.id for line in await asyncio.to_thread(query.apply, lines, COLUMNS)]
        if query.order_by:
            return page.cut(found, *wanted)
        before = page.behind(*wanted)
        return page.keyed([each for each in found if not before or each < before], len(found), *wanted)

    async def one(self, session: Session, diff: str) -> KeptDiff:
        """One diff as it is kept. Raises NotFound."""
        if diff and diff[-1] in "0123456789abcdef":
            rows = await self._examples.diffs(session, [diff])
            if rows:
                return rows[0]
        raise NotFound(Reason.DIFF_NOT_FOUND, f"{session_name(session.service_id, session.id)}/diffs/{diff}")

    async def some(self, session: Session, ids: list[str]) -> list[KeptDiff]:
        """The diffs of these ids as they are kept; those that have expired are left out."""
        return await self._examples.diffs(session, ids)

    async def of_signatures(self, session: Session, signatures: list[str]) -> dict[str, list[str]]:
        """The ids of the kept diffs of each signature, newest first."""
        return await self._examples.of_signatures(session, signatures)
