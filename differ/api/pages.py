"""The report page's routes. Server-rendered; every state of a page is its address."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response

from differ.api import html
from differ.api.access import Scope, current
from differ.api.errors import ApiError, StoreUnavailable
from differ.api.paging import PageRequest
from differ.api.query import Query as ListQuery
from differ.api.review_pages import with_forms
from differ.api.service import LATEST, ReportService
from differ.api.snapshots import Snapshot
from differ.report import build as building
from differ.report import render
from differ.report.band import coverage, verdict_view
from differ.report.example import ExampleView, layout, sample
from differ.report.view import FrontView, LinkView, ReportView, ServiceRow
from differ.report.wanted import Wanted
from differ.store.evidence import Session

SIGNATURE = Query(max_length=64, pattern="^[0-9a-z]*$")
PLACE = Query(ge=1, le=10_000)

SERVICES = 50
"""Services on one page: each is judged before it is shown."""


def router(service: ReportService) -> APIRouter:
    """The pages."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def front(page: Annotated[str, Query(max_length=64)] = "") -> Response:
        try:
            rows = await service.services(PageRequest(SERVICES, page), ListQuery())
            if rows.total == 1:
                return RedirectResponse(f"/{rows.items[0].name}", 303)
            shown = [await _row(service, each.name, each.display_name) for each in rows.items]
            following = f"?{urlencode({'page': rows.next_token})}" if rows.next_token else ""
            return _html(render.front_page(FrontView(tuple(shown), following=following)))
        except StoreUnavailable:
            problem = (
                "The store does not answer. What was counted is safe; this page works again once it does."
            )
            return _html(render.front_page(FrontView((), problem)), 503)
        except ApiError as error:
            return html.refused(error)

    @routes.get("/services/{service_id}")
    async def newest(service_id: str) -> Response:
        try:
            row = await service.session_row(service_id, LATEST)
        except ApiError as error:
            return html.refused(error)
        return RedirectResponse(f"/services/{row.service_id}/sessions/{row.id}", 303)

    @routes.get("/services/{service_id}/sessions/{session_id}")
    async def report(
        service_id: str,
        session_id: str,
        show: Annotated[str, Query(max_length=32)] = "",
        find: Annotated[str, Query(max_length=256)] = "",
        endpoint: Annotated[str, SIGNATURE] = "",
        page: Annotated[int, PLACE] = 1,
        signature: Annotated[str, SIGNATURE] = "",
        example: Annotated[int, PLACE] = 1,
    ) -> Response:
        try:
            snapshot = await service.snapshot(service_id, session_id)
            wanted = Wanted(show, find, endpoint, page, signature, example)
            view = await report_view(service, snapshot, wanted)
            view = await with_forms(service, snapshot.session, view)
        except ApiError as error:
            return html.refused(error)
        return _html(render.report_page(view), form=True)

    @routes.get("/services/{service_id}/sessions/{session_id}/report.html")
    async def saved(service_id: str, session_id: str) -> Response:
        try:
            snapshot = await service.snapshot(service_id, session_id)
            page = render.report_page(await saved_view(service, snapshot), saved=True)
        except ApiError as error:
            return html.refused(error)
        answer = _html(page)
        answer.headers["Content-Disposition"] = f'attachment; filename="mirrordiff-{session_id}.html"'
        return answer

    @routes.get("/assets/report.js")
    async def script() -> Response:
        return Response(
            render.script(), media_type="text/javascript", headers={"Cache-Control": "public, max-age=60"}
        )

    return routes


async def report_view(service: ReportService, snapshot: Snapshot, wanted: Wanted) -> ReportView:
    """The view of a session as it is wanted."""
    session = snapshot.session
    kept = await _kept(service, session)
    signature = building.chosen_signature(snapshot.verdict, kept, wanted)
    shown = await _example(service, session, kept.get(signature, []), replace(wanted, signature=signature))
    others = [
        LinkView(
            each.candidate or each.id,
            f"/services/{each.service_id}/sessions/{each.id}",
            each.id == session.id,
        )
        for each in await service.session_rows(session.service_id)
    ]
    events = f"/v1/services/{session.service_id}/sessions/{session.id}/verdict/events"
    samples = await _samples(service, snapshot, kept)
    points = await service.trend_points(snapshot)
    return building.build(
        snapshot.verdict, kept, wanted, shown, others, events, samples=samples, points=points
    )


SAVED_EXAMPLES = 30
"""Examples that a saved page carries, one for each of the worst signatures."""


async def saved_view(service: ReportService, snapshot: Snapshot) -> ReportView:
    """The view of a session that stands alone: every endpoint, and an example of each signature."""
    kept = await _kept(service, snapshot.session)
    shown: dict[str, ExampleView] = {}
    for signature in snapshot.report.signatures:
        ids = kept.get(signature.id, [])
        if ids and len(shown) < SAVED_EXAMPLES:
            example = await _example(service, snapshot.session, ids, Wanted())
            if example is not None:
                shown[signature.id] = example
    samples = await _samples(service, snapshot, kept)
    points = await service.trend_points(snapshot)
    return building.build(snapshot.verdict, kept, Wanted(), None, saved=shown, samples=samples, points=points)


async def _kept(service: ReportService, session: Session) -> dict[str, list[str]]:
    """The examples of each signature; for a caller who may not see bodies there are none."""
    return await service.diff_ids(session) if current().may(Scope.BODY_READ) else {}


SAMPLES = 12
"""Signatures of which one difference is told in the table: the worst, which are those looked at."""


async def _samples(service: ReportService, snapshot: Snapshot, kept: dict[str, list[str]]) -> dict[str, str]:
    """One difference of each of the worst signatures, in words."""
    first = {one.id: kept[one.id][0] for one in snapshot.report.signatures if kept.get(one.id)}
    worst = dict(list(first.items())[:SAMPLES])
    diffs = {diff.id: diff for diff in await service.kept_diffs(snapshot.session, list({*worst.values()}))}
    return {
        signature: sample(diffs[diff_id], signature)
        for signature, diff_id in worst.items()
        if diff_id in diffs
    }


async def _example(
    service: ReportService, session: Session, ids: list[str], wanted: Wanted
) -> ExampleView | None:
    """The example at this place among those of its signature; the last one where there are fewer."""
    if not ids:
        return None
    number = min(wanted.example, len(ids))
    try:
        diff = await service.kept_diff(session, ids[number - 1])
    except ApiError:
        return None  # it expired between the two reads
    view = layout(diff, trace_url=service.trace_url)
    if view is None:
        return None
    return view.placed(
        number=number,
        count=len(ids),
        previous=wanted.link("example", example=number - 1) if number > 1 else "",
        following=wanted.link("example", example=number + 1) if number < len(ids) else "",
        link=wanted.link("example", example=number),
        raw=f"/v1/services/{session.service_id}/sessions/{session.id}/diffs/{diff.id}",
    )


async def _row(service: ReportService, name: str, display_name: str) -> ServiceRow:
    snapshot = await service.snapshot(name.removeprefix("services/"), LATEST)
    return ServiceRow(
        name=display_name,
        href=f"/{name}",
        candidate=snapshot.session.candidate,
        verdict=verdict_view(snapshot.verdict),
        seen=coverage(snapshot.verdict),
    )


def _html(page: str, status: int = 200, *, form: bool = False) -> Response:
    """A page that is asked for again each time, and may be shown again by the browser's way back."""
    return html.page(page, status, form=form, cache="no-cache")
