"""Errors over HTTP: problem documents (RFC 9457), with the reasons that gRPC gives in its ErrorInfo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException

from differ.api.access import HTTP
from differ.api.errors import (
    DOMAIN,
    STATUS,
    ApiError,
    InvalidArgument,
    Reason,
    StoreUnavailable,
    Violation,
)
from mirrordiff.process.logs import logger

MEDIA_TYPE = "application/problem+json"

log = logger("differ.api")

_REASONS: Final = {
    404: Reason.ROUTE_NOT_FOUND,
    405: Reason.METHOD_NOT_ALLOWED,
    413: Reason.REQUEST_TOO_LARGE,
}
"""Of the errors that are raised before a route is reached, or beside it."""


def problem(error: ApiError) -> JSONResponse:
    """The answer for an error."""
    status = error.status
    document: dict[str, Any] = {
        "type": f"urn:mirrordiff:problem:{error.reason.lower().replace('_', '-')}",
        "title": status.title,
        "status": status.http,
        "detail": error.detail,
        "reason": error.reason,
        "domain": DOMAIN,
    }
    if error.metadata:
        document["metadata"] = error.metadata
    if isinstance(error, InvalidArgument):
        document["errors"] = [
            {"field": _named(each.field), "description": each.description} for each in error.violations
        ]
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, StoreUnavailable):
        headers["Retry-After"] = str(error.RETRY_SECONDS)
    return JSONResponse(document, status.http, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of an application a problem document; none shows a stack trace."""

    @app.exception_handler(ApiError)
    async def known(_: Request, error: ApiError) -> JSONResponse:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def unusable(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = error.errors()
        violations = [
            Violation(".".join(map(str, fault["loc"][1:])) or "request", str(fault["msg"]))
            for fault in faults
        ]
        return problem(InvalidArgument(_reason(faults[0]["loc"]), *violations))

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> JSONResponse:
        reason = _REASONS.get(error.status_code)
        if reason is None:
            reason = Reason.INVALID_ARGUMENT if error.status_code < 500 else Reason.INTERNAL
        answer = problem(ApiError(reason, STATUS[reason].title))
        answer.headers.update(error.headers or {})
        if reason is Reason.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = _allowed(request, answer.headers["Allow"])
        return answer

    @app.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> JSONResponse:
        # The type and not the text: a message may repeat what was captured.
        log.error("request_failed", error=type(error).__name__)
        return problem(ApiError(Reason.INTERNAL, "see the server's log"))


def _named(field: str) -> str:
    """A parameter as HTTP has it."""
    return to_camel(field) if field.isidentifier() else field


def _reason(place: Sequence[int | str]) -> Reason:
    """The reason that gRPC gives for what is wrong in this place of a request."""
    match place:
        case ("path", *_):
            return Reason.INVALID_NAME
        case ("query", "pageSize"):
            return Reason.INVALID_PAGE_SIZE
        case ("query", "pageToken"):
            return Reason.INVALID_PAGE_TOKEN
        case _:
            return Reason.INVALID_ARGUMENT


def _allowed(request: Request, by_one: str) -> str:
    """The methods of a path. Each is a route of its own, and a refusal knows those of one alone."""
    template = str(request.scope["route"].path)
    return ", ".join(sorted({by_one, *(method for method, path in HTTP if path == template)}))
