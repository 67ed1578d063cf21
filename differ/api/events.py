"""Server-sent events: a verdict at each change, for pages and anything that speaks HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from differ.api.parameters import CandidateParameters, GateParameters, Id, ServiceId, SessionId
from differ.api.routes import PROBLEMS
from differ.api.service import ReportService
from differ.api.watching import Watched

EVENTS = "text/event-stream"

_EVENT = {
    "type": "object",
    "properties": {
        "event": {"const": "verdict"},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "id", "data"],
}
"""One event's fields; its data are the verdict."""

_DESCRIBED = {
    **PROBLEMS,
    200: {
        "description": "An event `verdict` at each change; its id resumes behind it (Last-Event-ID)",
        "content": {EVENTS: {"schema": _EVENT}},
    },
    410: {"description": "What to resume from is gone", "content": PROBLEMS[404]["content"]},
}

LastEventId = Annotated[str, Header()]


def router(service: ReportService) -> APIRouter:
    """The routes of events."""
    routes = APIRouter(prefix="/v1", responses=_DESCRIBED)

    @routes.get(
        "/services/{service_id}/sessions/{session_id}/verdict/events", response_class=StreamingResponse
    )
    async def session_events(
        service_id: ServiceId,
        session_id: SessionId,
        parameters: Annotated[GateParameters, Query()],
        last_event_id: LastEventId = "",
    ) -> StreamingResponse:
        return await _events(
            service.watch(lambda: service.verdict(service_id, session_id, parameters.gate), last_event_id)
        )

    @routes.get("/services/{service_id}/gates/{gate_id}/verdict/events", response_class=StreamingResponse)
    async def gate_events(
        service_id: ServiceId,
        gate_id: Id,
        parameters: Annotated[CandidateParameters, Query()],
        last_event_id: LastEventId = "",
    ) -> StreamingResponse:
        return await _events(
            service.watch(
                lambda: service.gate_verdict(service_id, gate_id, parameters.candidate), last_event_id
            )
        )

    return routes


async def _events(changes: AsyncIterator[Watched]) -> StreamingResponse:
    # What is wrong with the request shows at the first step, while there can still be a status.
    first = await anext(changes, None)
    return StreamingResponse(
        _stream(first, changes),
        media_type=EVENTS,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(first: Watched | None, changes: AsyncIterator[Watched]) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    if first is None:
        return
    yield _event(first)
    async for change in changes:
        yield _event(change)


def _event(change: Watched) -> str:
    if change.verdict is None:
        return ": nothing has changed\n\n"
    return f"event: verdict\nid: {change.token}\ndata: {json.dumps(change.verdict)}\n\n"
