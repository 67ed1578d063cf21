"""Answers that are pages, under the policy that lets nothing captured run, and the forms that come back."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import HTMLResponse

from differ.api.errors import ApiError
from differ.report import render


def page(text: str, status: int = 200, *, form: bool = False, cache: str = "no-store") -> HTMLResponse:
    """A page as it is answered. ``form``: it may have one; ``cache`` is its Cache-Control."""
    headers = {"Content-Security-Policy": render.policy(form=form), "Cache-Control": cache}
    return HTMLResponse(text, status, headers)


def refused(error: ApiError) -> HTMLResponse:
    """The page that says what an error says."""
    return page(render.message_page(error.status.title, error.detail), error.status.http)


async def fields(request: Request, most: int) -> dict[str, str]:
    """The first value of each field of a form; none of one that is longer than ``most`` bytes."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
