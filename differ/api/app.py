"""The HTTP side put together: API, report page, health, metrics; each error a problem document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from differ.api import (
    events,
    hooks,
    http_door,
    login,
    metrics,
    pages,
    problems,
    profiles,
    review_pages,
    reviews,
    routes,
)
from differ.api.access import is_open
from differ.api.bounds import Bounded
from differ.api.entrance import Entrance
from differ.api.errors import ApiError, Reason
from differ.api.service import ReportService
from mirrordiff.process.logs import logger

log = logger("differ.api.http")

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    # None to other sites. Our own learn it, since browsers otherwise hide from us that a form is ours.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


def create_app(service: ReportService, ready: Callable[[], Awaitable[str]], entrance: Entrance) -> ASGIApp:
    """The application. ``ready`` returns what is missing for serving, empty where nothing is."""
    app = FastAPI(
        title="mirrordiff",
        summary="What v1 and its mirrored v2 answered, compared, and whether v2 may be released.",
        version="1",
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(http_door.demand)],
    )
    problems.install(app)
    http_door.install(app)
    app.include_router(routes.router(service))
    app.include_router(events.router(service))
    app.include_router(hooks.router(service))
    app.include_router(pages.router(service))
    app.include_router(review_pages.router(service))
    app.include_router(profiles.router(service))
    app.include_router(reviews.router(service))
    app.include_router(login.router(entrance.authentication, secure=entrance.secure))

    _health(app, service, ready)
    if not entrance.authentication.open:
        _describe_tokens(app)
    return _Shield(http_door.HttpDoor(Bounded(app), entrance.authentication, entrance.hosts))


def health_app(service: ReportService, ready: Callable[[], Awaitable[str]]) -> ASGIApp:
    """``/livez``, ``/readyz`` and ``/metrics`` alone, for an address without TLS."""
    app = FastAPI(title="mirrordiff", docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app)
    _health(app, service, ready)
    return _Shield(app)


def _describe_tokens(app: FastAPI) -> None:
    """Let OpenAPI say which operations take a token."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, item in document["paths"].items():
            if not is_open(path):
                for operation in item.values():
                    operation["security"] = [{"token": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to add to it


def _health(app: FastAPI, service: ReportService, ready: Callable[[], Awaitable[str]]) -> None:

    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        missing = await ready()
        return Response(f"{missing or 'ok'}\n", 503 if missing else 200, media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    async def exposition() -> Response:
        return Response(await metrics.exposition(service), media_type=CONTENT_TYPE_LATEST)


class _Shield:
    """The outermost layer: headers that every answer has, and no exception past it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except Exception as error:  # noqa: BLE001  # the last line: whatever it is, the caller hears 500
            # The type and not the text: a message may repeat what was captured.
            log.error("request_failed", error=type(error).__name__)  # noqa: TRY400
            if not started:
                answer = problems.problem(ApiError(Reason.INTERNAL, "see the server's log"))
                await answer(scope, receive, guarded)
