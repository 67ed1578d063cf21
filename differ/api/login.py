"""Signing in to the page: a form takes the token, and a cookie keeps it.

The cookie holds the token itself, so that every replica knows it and a token that is taken away
opens nothing any more. Scripts cannot read it, and no other site's request carries it.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from differ.api import html
from differ.api.authentication import LONGEST_TOKEN, Authentication
from differ.api.errors import ApiError
from differ.api.http_door import COOKIE
from differ.report import render

LASTS_S = 12 * 3600
"""A working day; then the token is asked for again."""


def router(authentication: Authentication, *, secure: bool) -> APIRouter:
    """The routes. ``secure``: people reach the page by https, and the cookie must not go another way."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/login")
    async def form(next: Annotated[str, Query(max_length=2048)] = "/") -> Response:  # noqa: A002
        if authentication.open:
            return RedirectResponse(_local(next), 303)
        return _form(_local(next), "")

    @routes.post("/login")
    async def sign_in(request: Request) -> Response:
        # As much as a token and an address may need.
        fields = await html.fields(request, 4 * LONGEST_TOKEN)
        wanted = _local(fields.get("next", "/"))
        token = fields.get("token", "").strip()
        try:
            await authentication.caller(token)
        except ApiError as error:
            return _form(wanted, error.detail, error.status.http)
        answer = RedirectResponse(wanted, 303, {"Cache-Control": "no-store"})
        answer.set_cookie(COOKIE, token, LASTS_S, secure=secure, httponly=True, samesite="strict")
        return answer

    @routes.post("/logout")
    async def sign_out() -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, secure=secure, httponly=True, samesite="strict")
        return answer

    return routes


def _local(address: str) -> str:
    """The address if it is one of ours, else the first page: nobody is led elsewhere from here."""
    parts = urlsplit(address)
    sound = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if sound and not parts.scheme and not parts.netloc else "/"


def _form(wanted: str, fault: str, status: int = 200) -> HTMLResponse:
    return html.page(render.login_page(wanted, fault), status, form=True)
