"""Where Envoy's streams are received: both kinds, on one address, by one HTTP/2 server in this event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from collector import extproc, server
from collector.clusters import Clusters
from collector.extproc import Exchange
from collector.http2.blocks import Headers
from collector.http2.connection import Connection
from collector.intake import Intake
from collector.rpc import EMPTY, OK, Method, Methods
from collector.server import AccessLogStream
from mirrordiff.process.http import AddressInUse
from mirrordiff.process.settings import Address
from mirrordiff.process.tls import Tls

LOOK_EVERY_S: Final = 0.25
"""How often what has taken too long is looked for."""

GOODBYE_S: Final = 1.0
"""How long a client has to take what was said to it at the end."""

BACKLOG: Final = 1024
"""Connections that may wait to be accepted: every proxy of a mesh comes at once after a restart."""


class Listener:
    """Serves from ``start`` to ``stop``."""

    def __init__(self, intake: Intake, clusters: Clusters, exchange_time: float) -> None:
        def exchange(metadata: Headers) -> Exchange:
            return Exchange(intake, clusters, metadata)

        def entries(_: Headers) -> AccessLogStream:
            return AccessLogStream(intake)

        methods = {
            extproc.METHOD.encode(): Method(exchange, OK),
            server.METHOD.encode(): Method(entries, EMPTY),
        }
        self._methods = Methods(methods, intake.hold)
        self._exchange_time = exchange_time
        self._connections: set[Connection] = set()
        self._server: asyncio.Server
        self._look: asyncio.Task[None]

    async def start(self, address: Address, secured: Tls | None = None) -> int:
        """Listen; returns the port. Raises AddressInUse."""
        loop = asyncio.get_running_loop()
        self._known = loop.time()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self._methods.accept, self._connections, self._known),
                address.host,
                address.port,
                backlog=BACKLOG,
                ssl=None if secured is None else secured.http("h2"),
            )
        except OSError:
            raise AddressInUse(address) from None
        self._look = asyncio.create_task(self._expire(), name=f"http2 {address}")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self, grace: float = 0) -> None:
        """Take nothing new, let what is open end for ``grace`` seconds, then end it here."""
        self._server.close()
        self._look.cancel()
        for connection in list(self._connections):
            connection.leave()
        await _wait(grace, lambda: not any(each.open_streams for each in self._connections))
        for connection in list(self._connections):
            connection.close()
        await _wait(GOODBYE_S, lambda: not self._connections)
        for connection in list(self._connections):
            connection.close(at_once=True)
        await _wait(GOODBYE_S, lambda: not self._connections)

    async def _expire(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            looked = clock()
            await asyncio.sleep(LOOK_EVERY_S)
            # One look behind: a connection that waited while this process stood still is taken after it.
            self._known = looked
            for connection in list(self._connections):
                connection.expire(self._exchange_time)


async def _wait(seconds: float, over: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not over() and loop.time() < deadline:  # noqa: ASYNC110 - what changes belongs to many connections
        await asyncio.sleep(0.01)
