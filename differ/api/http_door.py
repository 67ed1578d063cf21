"""The door of the HTTP API and the page: each request has a caller, and each route demands its scope.

A caller is known by ``Authorization: Bearer``, or on a browser by the cookie that `differ.api.login` sets.

What another site makes a browser do is refused. The cookie is SameSite=Strict; and a request that
changes something or signs in must come from a page of ours, which browsers say in ``Sec-Fetch-Site`` and
``Origin``. Programs send neither, and then need a header that a browser would not add by itself. An API
on loopback alone also refuses host names of strangers, by which a site could pass for this machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from differ.api import html
from differ.api.access import (
    PermissionDenied,
    Unauthenticated,
    is_open,
    need_http,
    require,
    serve_as,
)
from differ.api.authentication import Authentication, bearer
from differ.api.errors import ApiError, Reason
from differ.api.problems import problem

COOKIE: Final = "mirrordiff_token"

_SAFE: Final = {"GET", "HEAD", "OPTIONS"}

_JSON: Final = ("/v1/", "/hooks/")


class HttpDoor:
    """Around the application: finds the caller, and turns away who has no business here.

    ``hosts`` are the names that the server may be called by; None where it may be called by any.
    """

    def __init__(
        self, app: ASGIApp, authentication: Authentication, hosts: Collection[str] | None = None
    ) -> None:
        self._app = app
        self._authentication = authentication
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                await self._let_in(request)
            except ApiError as error:
                await refusal(request, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _let_in(self, request: Request) -> None:
        if request.url.path in {"/livez", "/readyz", "/metrics"}:
            return
        self._check_host(request)
        _check_site(request)
        if is_open(request.url.path):
            return
        header = request.headers.get("authorization")
        if header is None and COOKIE in request.cookies and not self._authentication.open:
            if request.method not in _SAFE and not _from_our_page(request):
                raise ApiError(Reason.CROSS_SITE, "with the cookie, writes are for our own pages alone")
            serve_as(await self._authentication.caller(request.cookies[COOKIE]))
            return
        # An open API takes any credentials for what they are: superfluous.
        serve_as(await self._authentication.caller(None if self._authentication.open else bearer(header)))

    def _check_host(self, request: Request) -> None:
        if self._hosts is None:
            return
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if not (name in self._hosts or name == "localhost" or name.endswith(".localhost") or _is_ip(name)):
            raise ApiError(Reason.CROSS_SITE, "this server is not called by that name")


async def demand(request: Request) -> None:
    """The dependency of every route. Raises PermissionDenied where the caller may not use it."""
    template = str(request.scope["route"].path)
    if not is_open(template):
        require(need_http(request.method, template, request.query_params.multi_items()))


def install(app: FastAPI) -> None:
    """Let a route's refusals be answered as the door's own are."""

    @app.exception_handler(PermissionDenied)
    async def denied(request: Request, error: PermissionDenied) -> Response:
        return refusal(request, error)


def refusal(request: Request, error: ApiError) -> Response:
    """The answer to who is not let in: a problem for programs; for people the way to sign in, or words."""
    path = request.url.path
    if "text/html" not in request.headers.get("accept", "") or path.startswith(_JSON):
        answer: Response = problem(error)
    elif isinstance(error, Unauthenticated) and request.method in _SAFE:
        wanted = path + (f"?{request.url.query}" if request.url.query else "")
        answer = RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
    else:
        answer = html.refused(error)
    match error:
        case Unauthenticated():
            answer.headers["WWW-Authenticate"] = "Bearer"
        case PermissionDenied():
            answer.headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope}"'
        case _:
            pass
    return answer


def _check_site(request: Request) -> None:
    """Raises where a browser says that another site is behind a request that is more than a look."""
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if (site is not None or origin is not None) and not _from_our_page(request):
        raise ApiError(Reason.CROSS_SITE, "another site may not do this")


def _from_our_page(request: Request) -> bool:
    """Whether a browser says that one of our pages is behind a request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = urlsplit(request.headers.get("origin", ""))
    return origin.netloc != "" and origin.netloc == request.headers.get("host")


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
