"""Captures what an ASGI application answers, where no proxy in front of it can.

::

    app = Capture(app, role="shadow", service="orders", version="v2", collector="http://collector:8603")

Needs the standard library alone. The application never waits: responses are copied as they pass, up to a
cap, and posted from a thread of its own; again, where the collector is away or has no room. What there is
no place for in between, and what the collector does not take, is dropped and counted in ``dropped``.
"""

from __future__ import annotations

import base64
import os
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

from mirrordiff.posting import MOST_LINES, Poster, in_posts
from mirrordiff.request_body import HASHED, body_hash

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
"""Headers of responses that are not even sent to the collector. It redacts further ones."""


class Capture:
    """The middleware. One that mirrors stamps ``x-mirrordiff-pair`` or keeps ``x-request-id``.

    ``request_headers`` and ``request_bodies`` say what is sent of requests, for a collector that was told
    to keep it. At most ``most_waiting`` copies wait to be posted, and each for ``patience_s`` seconds after
    its first attempt. Raises ValueError where ``collector`` is not a URL.
    """

    def __init__(
        self,
        app: App,
        *,
        role: str,
        service: str,
        version: str,
        collector: str,
        body_cap: int = 256 * 1024,
        most_waiting: int = 1000,
        patience_s: float = 30,
        request_headers: Iterable[str] = (),
        request_bodies: bool = False,
    ) -> None:
        self._app = app
        self._fixed = {"role": role, "service": service, "version": version}
        needed = {"content-type", "content-encoding"} if request_bodies else set()
        headers = frozenset(name.lower() for name in request_headers) | needed
        self._wanted = _Wanted(body_cap, headers, request_bodies)
        self._waiting: queue.Queue[dict[str, object]] = queue.Queue(most_waiting)
        self._poster = Poster(collector, patience_s=patience_s, while_away=True)
        # Each is written by one thread only.
        self._without_place = self._not_taken = 0
        threading.Thread(target=self._post_for_ever, name="mirrordiff", daemon=True).start()

    @property
    def dropped(self) -> int:
        """Copies that came to no collector."""
        return self._without_place + self._not_taken

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, self._wanted)
        try:
            await self._app(scope, exchange.receiving(receive), exchange.sending(send))
        finally:
            document = exchange.document() | self._fixed
            if "pair_id" in document or "request_id" in document:
                try:
                    self._waiting.put_nowait(document)
                except queue.Full:
                    self._without_place += 1

    def _post_for_ever(self) -> None:
        while True:
            for lines in in_posts(self._copies()):
                accepted = self._poster.post(lines).accepted
                self._not_taken += len(lines) - accepted

    def _copies(self) -> Iterator[dict[str, object]]:
        """Waits for one, and gives it with what else there is for one post."""
        yield self._waiting.get()
        for _ in range(MOST_LINES - 1):
            try:
                yield self._waiting.get_nowait()
            except queue.Empty:
                return


@dataclass(frozen=True)
class _Wanted:
    """What is copied of an exchange."""

    body_cap: int
    request_headers: frozenset[str]
    request_bodies: bool

    @property
    def request_cap(self) -> int:
        return max(HASHED, self.body_cap if self.request_bodies else 0)


class _Exchange:
    def __init__(self, scope: MutableMapping[str, Any], wanted: _Wanted) -> None:
        self._scope = scope
        self._wanted = wanted
        self._started_us = time.time_ns() // 1000
        self._ended = self._began = time.monotonic()
        self._asked = bytearray()
        self._asked_size = 0
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._size = 0
        self._complete = False

    def receiving(self, receive: Receive) -> Receive:
        async def received() -> Message:
            message = await receive()
            if message["type"] == "http.request" and message.get("body"):
                self._asked += message["body"][: max(0, self._wanted.request_cap - len(self._asked))]
                self._asked_size += len(message["body"])
            return message

        return received

    def sending(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                self._headers = [
                    (name.decode("latin-1").lower(), value.decode("latin-1"))
                    for name, value in message.get("headers", ())
                ]
            elif message["type"] == "http.response.body":
                body = message.get("body", b"")
                self._body += body[: max(0, self._wanted.body_cap - len(self._body))]
                self._size += len(body)
                self._complete = not message.get("more_body", False)
                self._ended = time.monotonic()
            await send(message)

        return sent

    def document(self) -> dict[str, object]:
        """As ``POST /v1/captures`` takes it."""
        lines = [
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in self._scope["headers"]
        ]
        asked = dict(lines)
        path = self._scope.get("raw_path") or self._scope["path"].encode()
        query = self._scope.get("query_string", b"")
        document: dict[str, object] = {
            "method": self._scope["method"],
            "path": (path + b"?" + query if query else path).decode("latin-1"),
            "authority": asked.get("host", "")[:256],
            "status": self._status,
            "headers": [pair for pair in self._headers if pair[0] not in SECRET],
            "body_base64": base64.b64encode(self._body).decode(),
            "body_size": self._size,
            "started_us": self._started_us,
            "duration_ms": (self._ended - self._began) * 1000,
            "id": os.urandom(12).hex(),
        }
        if not self._complete:
            document["end"] = "aborted" if self._status else "no_response"
        if self._asked_size and self._wanted.request_bodies:
            document["request_body_base64"] = base64.b64encode(self._asked).decode()
            document["request_body_size"] = self._asked_size
        elif self._asked_size:
            document["request_body_hash"] = body_hash(bytes(self._asked), self._asked_size)
        document["request_headers"] = [pair for pair in lines if pair[0] in self._wanted.request_headers]
        for field, header in (
            ("pair_id", "x-mirrordiff-pair"),
            ("request_id", "x-request-id"),
            ("traceparent", "traceparent"),
        ):
            if asked.get(header):
                document[field] = asked[header][:256]
        return document
