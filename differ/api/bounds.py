"""How long a request may be, on both APIs: all of them are a few names, numbers and notes."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_REQUEST: Final = 64 * 1024
"""Bytes of a gRPC message, and of an HTTP body."""


class Bounded:
    """Around an application: reads no more of a body than is allowed, and says 413 to who reads on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > LARGEST_REQUEST:
                raise HTTPException(413)
            return message

        await self._app(scope, bounded, send)
