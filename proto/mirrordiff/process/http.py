"""The HTTP side of a process: its application served in the process's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mirrordiff.process.settings import Address
from mirrordiff.process.tls import Tls

UNREAD_S: Final = 60.0
"""For so long what is sent may wait for a client to take it."""


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process it is a part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class AddressInUse(Exception):
    """Nothing can be served there, as a rule because something else already is."""

    def __init__(self, address: Address) -> None:
        super().__init__(f"{address} cannot be listened on: is something else there?")


@contextlib.asynccontextmanager
async def serve(
    app: object,
    address: Address,
    *,
    grace: float = 2.0,
    secured: Tls | None = None,
    unread: float = UNREAD_S,
) -> AsyncIterator[None]:
    """Serve an ASGI application while the block runs, then let requests finish for ``grace`` seconds.

    A client that takes nothing of what it is sent for ``unread`` seconds is cut off, where the system can
    do that (Linux). With ``secured`` by TLS alone. Raises AddressInUse where the address is taken.
    """
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=address.host,
        port=address.port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=max(1, round(grace)),
        ssl_context_factory=None if secured is None else lambda _config, _default: secured.http(),
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(), name=f"http {address}")
    while not server.started:
        if task.done():
            raise AddressInUse(address)
        await asyncio.sleep(0.01)
    _cut_off(server, unread)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def _cut_off(server: uvicorn.Server, unread: float) -> None:
    """Neither uvicorn nor asyncio ends a connection whose client reads nothing; the kernel can.

    A connection takes the option over from the socket that accepts it. See tcp(7).
    """
    option: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None:
        return
    for listening in (each for one in server.servers for each in one.sockets):
        listening.setsockopt(socket.IPPROTO_TCP, option, round(unread * 1000))


def health_app(
    registry: CollectorRegistry, ready: Callable[[], Awaitable[str]], *further: Route
) -> Starlette:
    """``/livez`` (this process answers), ``/readyz`` (it can work) and ``/metrics``; further routes, too.

    ``ready`` returns what is missing, empty where nothing is.
    """

    async def livez(_: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    async def readyz(_: Request) -> Response:
        missing = await ready()
        return Response(f"{missing or 'ok'}\n", status_code=503 if missing else 200, media_type="text/plain")

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    own = [Route(f"/{endpoint.__name__}", endpoint) for endpoint in (livez, readyz, metrics)]
    return Starlette(routes=[*own, *further])
