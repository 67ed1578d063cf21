"""Errors over HTTP: problem documents (RFC 9457), with the reasons that gRPC gives in its ErrorInfo."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

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
            {"field": each.field, "description": each.description} for each in error.violations
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
        violations = [
            Violation(".".join(map(str, fault["loc"][1:])) or "request", str(fault["msg"]))
            for fault in error.errors()
        ]
        return problem(InvalidArgument(Reason.INVALID_ARGUMENT, *violations))

    @app.exception_handler(HTTPException)
    async def routing(_: Request, error: HTTPException) -> JSONResponse:
        reason = {404: Reason.ROUTE_NOT_FOUND, 405: Reason.METHOD_NOT_ALLOWED}.get(error.status_code)
        if reason is None:
            reason = Reason.INVALID_ARGUMENT if error.status_code < 500 else Reason.INTERNAL
        answer = problem(ApiError(reason, STATUS[reason].title))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def unknown(_: Request, error: Exception) -> JSONResponse:
        # The type and not the text: a message may repeat what was captured.
        log.error("request_failed", error=type(error).__name__)
        return problem(ApiError(Reason.INTERNAL, "see the server's log"))
