"""Both ends of HTTP/2 for tests: the collector's server with requests that only listen, and a raw client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from hpack import Encoder

from collector.http2.blocks import Headers
from collector.http2.connection import Connection
from collector.http2.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEAD,
    HEAD_BYTES,
    HEADERS,
    PING,
    PREFACE,
    Answer,
    frame,
    settings,
)
from tests.waiting import eventually

Fields = Sequence[tuple[str, str]]


def to(path: str) -> Fields:
    """The fields of a request."""
    pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "collector")]
    return [*pseudo, ("content-type", "application/grpc")]


REQUEST = to("/")

GREETING = settings({})

PLAIN = Answer(b"\x88")
BODIED = Answer(b"\x88", b"hello", b"\0\x01x\x01y")


def block(fields: Fields = REQUEST) -> bytes:
    """A header block that no table takes note of."""
    return Encoder().encode([(name, value, True) for name, value in fields])


def opened(stream: int = 1, fields: Fields = REQUEST, *, ended: bool = False) -> bytes:
    """The HEADERS of a request."""
    return frame(HEADERS, END_HEADERS | (END_STREAM if ended else 0), stream, block(fields))


def data(payload: bytes, stream: int = 1, *, ended: bool = False) -> bytes:
    return frame(DATA, END_STREAM if ended else 0, stream, payload)


class Listening:
    """A request that is told things, and answers at its end, or at the byte that ``x-enough`` names."""

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.body = b""
        self.ended = ""
        self.late = False
        self._enough = int(headers.get(b"x-enough", b"0"))
        self._answer = BODIED if headers[b":path"] == b"/bodied" else PLAIN

    def data(self, chunk: bytes) -> Answer | None:
        assert not self.ended
        self.body += chunk
        return self._over("enough") if 0 < self._enough <= len(self.body) else None

    def finished(self, *, late: bool) -> Answer:
        return self._over("finished", late=late)

    def overdue(self, *, late: bool) -> Answer | None:
        return None if self.headers[b":path"] == b"/lasting" else self._over("overdue", late=late)

    def reset(self, *, late: bool) -> None:
        self._over("reset", late=late)

    def lost(self) -> None:
        self._over("lost")

    def _over(self, ended: str, *, late: bool = False) -> Answer:
        assert not self.ended
        self.ended, self.late = ended, late
        return self._answer


class Server:
    """The server under test."""

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.requests: list[Listening] = []
        self.port = 0

    def accept(self, headers: Headers) -> Listening | Answer:
        if headers[b":path"] == b"/nothing":
            return PLAIN
        self.requests.append(Listening(headers))
        return self.requests[-1]


@contextlib.asynccontextmanager
async def serving(behind: float = 0) -> AsyncIterator[Server]:
    """A server that stood still for so many seconds until now."""
    server = Server()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: Connection(server.accept, server.connections, loop.time() - behind), "127.0.0.1", 0
    )
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for connection in list(server.connections):
            connection.close(at_once=True)

        async def gone() -> bool:
            return not server.connections

        await eventually(gone, "the server's connections are gone")


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """Of RST_STREAM and GOAWAY: why."""
        return int.from_bytes(self.payload[-4:], "big")


class Peer:
    """A client that says just what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    async def next(self, kind: int, stream: int | None = None) -> Frame:
        """The next frame of a type, and of a stream where one is named."""
        async with asyncio.timeout(10):
            while True:
                head = await self.reader.readexactly(HEAD_BYTES)
                high, low, found_kind, flags, number = HEAD.unpack(head)
                found = Frame(found_kind, flags, number, await self.reader.readexactly(high << 8 | low))
                if found.kind == kind and stream in {None, found.stream}:
                    return found

    async def answers(self) -> None:
        """Wait until all that was sent is dealt with; fails where the connection is gone."""
        self.send(frame(PING, 0, 0, b"mirrored"))
        while (await self.next(PING)).flags != ACK:
            pass

    async def closed(self) -> None:
        """Wait until the connection is."""
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass


@contextlib.asynccontextmanager
async def raw(port: int, *, preface: bytes = PREFACE, first: bytes = GREETING) -> AsyncIterator[Peer]:
    """A client that has greeted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(preface + first)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
