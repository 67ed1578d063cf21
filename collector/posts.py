"""``POST /v1/captures``: NDJSON, one document a line, from any proxy, middleware or file.

Lines are taken as they arrive, so that a long post needs no memory to match. Each good line is a
capture at once and each bad one costs only itself:

=====  ===================================================================================
200    some lines were taken: ``{"accepted", "rejected", "errors": [{"line", "reason"}, …]}``
400    not one line was good
413    the post, or what it unpacks to, is longer than allowed; lines before the limit count
415    another content type, or a content encoding other than gzip
429    the queue is full: nothing was taken. ``Retry-After`` says when to come back
=====  ===================================================================================

Errors are problem documents (RFC 9457) with the counts beside. Lines that came while the queue was
full are errors with reason ``queue_full``; sent again with the same ``id``, a line counts once.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collector.captured import Unusable
from collector.documents import keyed, parse, source_of
from collector.intake import Intake

MOST_ERRORS: Final = 100
"""Errors that an answer lists. Further ones are only counted."""

RETRY_AFTER_S: Final = 1

_STEP: Final = 64 * 1024
"""Bytes unpacked at a time, so that a post is stopped soon after it has grown too long."""

_TYPES: Final = {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json"}


class TooLong(Exception):
    """The post goes on beyond what is taken."""


class NotGzip(Exception):
    """The post says that it is gzip, and is not."""


class Tally:
    """What became of the lines of one post."""

    def __init__(self, intake: Intake) -> None:
        self.accepted = 0
        self.rejected = 0
        self.errors: list[dict[str, object]] = []
        self._line = 0
        self._intake = intake
        self._full = 0

    @property
    def only_full(self) -> bool:
        """Whether lines were refused, all of them for want of room."""
        return self._full > 0 and self._full == self.rejected and not self.accepted

    def take(self, line: bytes) -> None:
        """One line; empty ones count for nothing but their number."""
        self._line += 1
        if not line.strip():
            return
        intake = self._intake
        try:
            document = parse(line)
            source = source_of(document)
            capture = keyed(document, intake.recorder(source), intake.new_id())
        except Unusable as error:
            intake.unusable("", "invalid_document")
            self._reject(error.reason)
            return
        intake.received(source, 1)
        if intake.take(capture):
            self.accepted += 1
        else:
            self._full += 1
            self._reject("queue_full")

    def _reject(self, reason: str) -> None:
        self.rejected += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append({"line": self._line, "reason": reason})

    def document(self) -> dict[str, object]:
        """As the answer has it."""
        return {"accepted": self.accepted, "rejected": self.rejected, "errors": self.errors}


class Posts:
    """The endpoint. ``most_bytes`` bounds a post, packed and unpacked, and a line with it."""

    def __init__(self, intake: Intake, most_bytes: int) -> None:
        self._intake = intake
        self._most_bytes = most_bytes

    @property
    def route(self) -> Route:
        """Where it is served."""
        return Route("/v1/captures", self.answer, methods=["POST"])

    async def answer(self, request: Request) -> Response:
        """Answer one post."""
        tally = Tally(self._intake)
        content_type = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if content_type not in _TYPES:
            return _problem(415, "Unsupported content type", "send application/x-ndjson", tally)
        if encoding not in {"identity", "gzip"}:
            return _problem(415, "Unsupported content encoding", "send gzip, or none", tally)
        if self._intake.full:
            return _busy(tally)
        too_long = f"at most {self._most_bytes} bytes, unpacked too"
        try:
            length = int(request.headers.get("content-length", "0"))
            if length > self._most_bytes:
                return _problem(413, "Post too long", too_long, tally)
            chunks = _bounded(request.stream(), self._most_bytes)
            if encoding == "gzip":
                chunks = _unpacked(chunks, self._most_bytes)
            async for line in _lines(chunks):
                tally.take(line)
        except TooLong:
            return _problem(413, "Post too long", too_long, tally)
        except NotGzip:
            return _problem(400, "Unreadable post", "what is sent as gzip is not gzip", tally)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        if tally.only_full:
            return _busy(tally)
        if not tally.accepted:
            return _problem(400, "No usable capture", "see errors for each line", tally)
        return JSONResponse(tally.document())


def _busy(tally: Tally) -> Response:
    answer = _problem(429, "Queue full", "captures come in faster than they can be written", tally)
    answer.headers["retry-after"] = str(RETRY_AFTER_S)
    return answer


def _problem(status: int, title: str, detail: str, tally: Tally) -> Response:
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(
        document | tally.document(), status_code=status, media_type="application/problem+json"
    )


async def _bounded(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        most -= len(chunk)
        if most < 0:
            raise TooLong
        yield chunk


async def _unpacked(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    async for chunk in chunks:
        rest = chunk
        while rest:
            if unpacker.eof:  # packed data may be several members, one after the other (RFC 1952 2.2)
                unpacker = zlib.decompressobj(wbits=31)
            try:
                part = unpacker.decompress(rest, _STEP)
            except zlib.error:
                raise NotGzip from None
            rest = unpacker.unconsumed_tail or unpacker.unused_data
            most -= len(part)
            if most < 0:
                raise TooLong
            yield part
    if not unpacker.eof:
        raise NotGzip


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest: list[bytes] = []
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest.append(first)
        for part in others:
            yield b"".join(rest)
            rest = [part]
    yield b"".join(rest)
