"""What can be asked, once for both APIs and the page. Everything here reads; nothing decides.

Every method raises errors of `differ.api.errors` and nothing else that a caller could cause.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final, TypeVar

from differ.api import audit
from differ.api.diffs import Diffs
from differ.api.errors import NotFound, Reason, StoreUnavailable
from differ.api.paging import Page, PageRequest
from differ.api.query import Column, Columns, Query
from differ.api.report_resources import (
    Endpoint,
    Signature,
    Trend,
    endpoint_id,
    endpoint_of,
    signatures_of,
    trend_of,
)
from differ.api.resources import (
    Diff,
    Service,
    Session,
    service_name,
    service_of,
    session_name,
    session_of,
)
from differ.api.snapshots import Snapshot, Snapshots
from differ.api.watching import Pace, Watched, watch
from differ.core.document import Document
from differ.core.trend import Point
from differ.store import evidence as store
from differ.store.records import KeptDiff
from mirrordiff.process.redis import UNAVAILABLE
from mirrordiff.redis_keys import resource_id

Item = TypeVar("Item")

LATEST: Final = "latest"
DEFAULT_GATE: Final = "default"


TREND_POINTS: Final = 60
"""Buckets of a trend: as many as can be told apart on a phone."""


class View(StrEnum):
    """How much of a resource is answered."""

    BASIC = "BASIC"
    FULL = "FULL"


SERVICES: Final[Columns[Service]] = {
    "name": Column(lambda each: each.name),
    "display_name": Column(lambda each: each.display_name),
    "last_seen_time": Column(lambda each: each.last_seen_time),
}
SESSIONS: Final[Columns[Session]] = {
    "name": Column(lambda each: each.name),
    "candidate": Column(lambda each: each.candidate),
    "start_time": Column(lambda each: each.start_time),
    "last_seen_time": Column(lambda each: each.last_seen_time),
}
ENDPOINTS: Final[Columns[Endpoint]] = {
    "endpoint": Column(lambda each: each.endpoint),
    "state": Column(lambda each: each.state),
    "verdict": Column(lambda each: each.verdict),
    "pairs": Column(lambda each: each.raw.total, number=True),
    "different": Column(lambda each: each.raw.count, number=True),
    "net": Column(lambda each: each.excess.net or 0.0, number=True),
}
SIGNATURES: Final[Columns[Signature]] = {
    "id": Column(lambda each: each.id),
    "endpoint": Column(lambda each: each.endpoint),
    "field": Column(lambda each: each.field),
    "kind": Column(lambda each: each.kind),
    "detail": Column(lambda each: each.detail),
    "risk": Column(lambda each: each.risk),
    "pairs": Column(lambda each: each.differ.count, number=True),
    "distinct_requests": Column(lambda each: each.distinct_requests, number=True),
}
"""What each list can be filtered and ordered by."""


class ReportService:
    """Reads of everything that is kept. ``trace_url`` is where a trace is looked at, see `ApiSettings`."""

    def __init__(
        self,
        evidence: store.Evidence,
        diffs: Diffs,
        snapshots: Snapshots,
        pace: Pace = Pace(),  # noqa: B008  # frozen
        trace_url: str = "",
    ) -> None:
        self._evidence = evidence
        self._diffs = diffs
        self._pace = pace
        self._stop = asyncio.Event()
        self.snapshots = snapshots
        self.trace_url = trace_url

    def close(self) -> None:
        """End every watch, so that the servers can stop at once."""
        self._stop.set()

    def watch(self, ask: Callable[[], Awaitable[Document]], resume_token: str) -> AsyncIterator[Watched]:
        """A verdict at each change, until closed; see `differ.api.watching`."""
        return watch(ask, self._stop, resume_token, self._pace)

    async def services(self, page: PageRequest, query: Query) -> Page[Service]:
        """Every service, last seen first."""
        async with _store():
            rows = await self._evidence.services()
        return _cut(page, query, [service_of(row) for row in rows], SERVICES, "services")

    async def service(self, service: str) -> Service:
        """One service."""
        async with _store():
            rows = await self._evidence.services()
        for row in rows:
            if row.id == service:
                return service_of(row)
        raise NotFound(Reason.SERVICE_NOT_FOUND, service_name(service))

    async def sessions(self, service: str, page: PageRequest, query: Query) -> Page[Session]:
        """The sessions of a service, last seen first."""
        rows = await self.session_rows(service)
        return _cut(page, query, [session_of(row) for row in rows], SESSIONS, "sessions", service)

    async def session_rows(self, service: str) -> list[store.Session]:
        """The sessions of a service as they are kept, last seen first."""
        async with _store():
            rows = await self._evidence.sessions(service)
        if not rows:
            await self.service(service)
        return rows

    async def session(self, service: str, session: str) -> Session:
        """One session."""
        return session_of(await self.session_row(service, session))

    async def session_row(self, service: str, session: str) -> store.Session:
        """One session as it is kept; ``latest`` is the one last seen."""
        if session == LATEST:
            async with _store():
                row = await self._evidence.latest(service)
        else:
            async with _store():
                row = await self._evidence.session(service, session)
        if row is not None:
            return row
        await self.service(service)
        raise NotFound(Reason.SESSION_NOT_FOUND, session_name(service, session))

    async def snapshot(self, service: str, session: str, gate: str = DEFAULT_GATE) -> Snapshot:
        """A session with its report and verdict."""
        self._check_gate(service, gate)
        row = await self.session_row(service, session)
        async with _store():
            return await self.snapshots.of(row, gate)

    async def endpoints(
        self, service: str, session: str, page: PageRequest, query: Query, view: View = View.BASIC
    ) -> Page[Endpoint]:
        """The endpoints of a session, ranked by what a caller would notice."""
        snapshot = await self.snapshot(service, session)
        name = _name(snapshot)
        rows = [endpoint_of(each, name, full=view is View.FULL) for each in snapshot.report.endpoints]
        return _cut(page, query, rows, ENDPOINTS, "endpoints", name, view)

    async def endpoint(self, service: str, session: str, endpoint: str) -> Endpoint:
        """One endpoint, in full."""
        snapshot = await self.snapshot(service, session)
        for each in snapshot.report.endpoints:
            if endpoint_id(each.endpoint) == endpoint:
                return endpoint_of(each, _name(snapshot), full=True)
        raise NotFound(Reason.ENDPOINT_NOT_FOUND, f"{session_name(service, session)}/endpoints/{endpoint}")

    async def signatures(
        self, service: str, session: str, page: PageRequest, query: Query
    ) -> Page[Signature]:
        """The signatures of a session, the worst first."""
        snapshot = await self.snapshot(service, session)
        rows = signatures_of(snapshot.report, _name(snapshot))
        cut = _cut(page, query, rows, SIGNATURES, "signatures", service, session)
        return Page(await self._with_diffs(snapshot, cut.items), cut.next_token, cut.total)

    async def signature(self, service: str, session: str, signature: str) -> Signature:
        """One signature."""
        snapshot = await self.snapshot(service, session)
        for each in signatures_of(snapshot.report, _name(snapshot)):
            if each.id == signature:
                return (await self._with_diffs(snapshot, (each,)))[0]
        raise NotFound(Reason.SIGNATURE_NOT_FOUND, f"{session_name(service, session)}/signatures/{signature}")

    async def _with_diffs(self, snapshot: Snapshot, rows: tuple[Signature, ...]) -> tuple[Signature, ...]:
        """Signatures with the names of their kept diffs."""
        async with _store():
            kept = await self._diffs.of_signatures(snapshot.session, [each.id for each in rows])
        name = _name(snapshot)
        return tuple(
            each.model_copy(update={"diffs": [f"{name}/diffs/{diff}" for diff in kept.get(each.id, ())]})
            for each in rows
        )

    async def trend(self, service: str, session: str) -> Trend:
        """How a session went over time."""
        snapshot = await self.snapshot(service, session)
        tolerance = snapshot.report.policy.tolerance
        return trend_of(await self.trend_points(snapshot), _name(snapshot), tolerance)

    async def trend_points(self, snapshot: Snapshot) -> tuple[Point, ...]:
        """The buckets of a session's trend, told apart by the noise that the snapshot has found."""
        async with _store():
            kept = await self._evidence.trend(snapshot.session, snapshot.report.facts.epoch)
        return kept.within(TREND_POINTS).points(snapshot.report.noisy_fields)

    async def diffs(
        self, service: str, session: str, page: PageRequest, query: Query, view: View = View.BASIC
    ) -> Page[Diff]:
        """The kept diffs of a session, newest first."""
        row = await self.session_row(service, session)
        async with _store():
            return await self._diffs.page(row, page, query, full=view is View.FULL)

    async def diff(self, service: str, session: str, diff: str, view: View = View.FULL) -> Diff:
        """One kept diff, by default with its answers."""
        row = await self.session_row(service, session)
        return audit.diffs(row, [await self._kept_diff(row, diff)], full=view is View.FULL)[0]

    async def kept_diff(self, session: store.Session, diff: str) -> KeptDiff:
        """One diff as it is kept, to be shown. Raises PermissionDenied as `audit.shown`."""
        found = await self._kept_diff(session, diff)
        audit.shown(session, [diff], "PAGE")
        return found

    async def _kept_diff(self, session: store.Session, diff: str) -> KeptDiff:
        async with _store():
            return await self._diffs.one(session, diff)

    async def kept_diffs(self, session: store.Session, ids: list[str]) -> list[KeptDiff]:
        """The diffs of these ids as they are kept, to be shown; those that have expired are left out.

        Raises PermissionDenied as `audit.shown`.
        """
        async with _store():
            found = await self._diffs.some(session, ids)
        audit.shown(session, [each.id for each in found], "PAGE")
        return found

    async def diff_ids(self, session: store.Session) -> dict[str, list[str]]:
        """The kept diffs of each signature that was counted, newest first."""
        async with _store():
            report = (await self.snapshots.of(session, DEFAULT_GATE)).report
            return await self._diffs.of_signatures(session, [each.id for each in report.signatures])

    async def lag(self) -> store.Lag:
        """How far judging is behind capturing, over all services."""
        async with _store():
            return await self._evidence.lag()

    async def verdict(self, service: str, session: str, gate: str = DEFAULT_GATE) -> Document:
        """The verdict of a gate on a session."""
        return (await self.snapshot(service, session, gate)).document

    async def gate_verdict(self, service: str, gate: str, candidate: str = "") -> Document:
        """The verdict of a gate on a candidate, without one on the latest.

        Never an error where evidence is missing or the store is away: that is INCONCLUSIVE, and says
        why. A gate that is not configured is an error, because waiting for it would not help.
        """
        self._check_gate(service, gate)
        try:
            async with _store():
                if candidate:
                    row = await self._evidence.session(service, resource_id(candidate))
                else:
                    row = await self._evidence.latest(service)
                if row is not None:
                    return (await self.snapshots.of(row, gate)).document
        except StoreUnavailable:
            return self.snapshots.without_evidence(service, candidate, gate, away=True)
        return self.snapshots.without_evidence(service, candidate, gate, away=False)

    def _check_gate(self, service: str, gate: str) -> None:
        if gate not in self.snapshots.gates:
            raise NotFound(Reason.GATE_NOT_FOUND, f"{service_name(service)}/gates/{gate}")


def _name(snapshot: Snapshot) -> str:
    return session_name(snapshot.session.service_id, snapshot.session.id)


def _cut(
    page: PageRequest, query: Query, rows: list[Item], columns: Columns[Item], *parameters: str
) -> Page[Item]:
    found = query.apply(rows, columns)
    return page.cut(found, *parameters, query.filter, query.order_by)


@asynccontextmanager
async def _store() -> AsyncIterator[None]:
    """Turns a store that does not answer into the error that says so."""
    try:
        yield
    except UNAVAILABLE:
        raise StoreUnavailable from None
