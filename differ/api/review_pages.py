"""Review on the page: forms that need no script. Another site's requests do not get past the HTTP door."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from differ.api import html
from differ.api.access import Scope, current
from differ.api.errors import ApiError
from differ.api.paging import LARGEST_SIZE, PageRequest
from differ.api.query import Query
from differ.api.reviewing import Reviewing, Wish
from differ.api.service import ReportService
from differ.report.view import CountView, ReportView
from differ.store.evidence import Session

LARGEST_FORM: Final = 16 * 1024
"""Bytes of a form: a note, percent-encoded, and little else."""


def router(service: ReportService) -> APIRouter:
    """Where the forms lead."""
    routes = APIRouter(include_in_schema=False)
    reviewing = Reviewing(service)

    @routes.post("/services/{service_id}/sessions/{session_id}/reviews")
    async def make(request: Request, service_id: str, session_id: str) -> Response:
        fields = await html.fields(request, LARGEST_FORM)
        wish = Wish(
            signature=fields.get("signature", ""),
            action=fields.get("action", ""),
            note=fields.get("note", ""),
            by=fields.get("by", ""),
            until=fields.get("until", ""),
            candidate=session_id,
        )
        try:
            await reviewing.create(service_id, wish)
        except ApiError as error:
            return html.refused(error)
        return _back(service_id, session_id)

    @routes.post("/services/{service_id}/sessions/{session_id}/reviews/{review_id}/undo")
    async def undo(service_id: str, session_id: str, review_id: str) -> Response:
        try:
            await reviewing.delete(service_id, review_id)
        except ApiError as error:
            return html.refused(error)
        return _back(service_id, session_id)

    return routes


async def with_forms(service: ReportService, session: Session, view: ReportView) -> ReportView:
    """The view with what the current caller may do; as it is for one who may not write."""
    if not current().may(Scope.WRITE):
        return view
    page = await Reviewing(service).page(session.service_id, PageRequest(LARGEST_SIZE), Query())
    return replace(
        view,
        review=f"/services/{session.service_id}/sessions/{session.id}/reviews",
        reviews=tuple(
            CountView(each.name.rpartition("/")[2], each.by, f"{each.action} {each.field}: {each.note}")
            for each in page.items
        ),
    )


def _back(service_id: str, session_id: str) -> Response:
    return RedirectResponse(f"/services/{service_id}/sessions/{session_id}#rules", 303)
