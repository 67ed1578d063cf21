"""One table of responses, each way in: what the services answered is what is paired, byte for byte."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import brotli
import httpx
import pytest

from mirrordiff.v1.capture_pb2 import (
    END_COMPLETE,
    END_NO_RESPONSE,
    END_TRUNCATED,
    End,
)
from tests.e2e.ways import ROLE_HEADER, WAYS, Collecting, clusters, collecting, mirroring
from tests.local.harness import Answer, Service, service
from tests.waiting import eventually

BINARY = bytes(range(256)) * 8
PACKED = gzip.compress(b"packed", mtime=0)
CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LARGE = b"0123456789abcdef" * 131_072  # 2 MB


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*chunks: bytes, trailers: str = "") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        + body
        + b"0\r\n"
        + trailers.encode()
        + b"\r\n"
    )


def without_body(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Closes the connection and says nothing."""


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promises more than it gives."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
    await writer.drain()


@dataclass(frozen=True)
class Case:
    """What the services answer, and what of it is to be in both captures."""

    primary: Answer
    body: bytes = b""
    status: int = 200
    end: End.ValueType = END_COMPLETE
    method: str = "GET"
    shadow: Answer | None = None
    shadow_end: End.ValueType | None = None
    headers: tuple[bytes, ...] = ()
    trailers: bytes = b""
    request: dict[str, str] = field(default_factory=dict)


CASES = {
    "plain": Case(answer(b'{"a": 1}', "content-type: application/json", "x-two: 1", "x-two: 2"), b'{"a": 1}',
                  headers=(b"x-two: 1", b"x-two: 2", b"content-type: application/json")),
    "chunked": Case(chunked(b"one", b"two"), b"onetwo"),
    "trailers": Case(chunked(b"one", trailers="x-sum: 7\r\n"), b"one", trailers=b"x-sum: 7"),
    "head": Case(without_body("200 OK", "content-length: 17"), method="HEAD"),
    "no-content": Case(without_body("204 No Content"), status=204),
    "not-modified": Case(without_body("304 Not Modified", "etag: x"), status=304, headers=(b"etag: x",)),
    "error": Case(answer(b"oops", status="500 Internal Server Error"), b"oops", 500),
    "gzip": Case(answer(PACKED, "content-encoding: gzip"), PACKED, headers=(b"content-encoding: gzip",)),
    "br": Case(answer(brotli.compress(b"packed"), "content-encoding: br"), brotli.compress(b"packed")),
    "binary": Case(answer(BINARY, "content-type: image/png"), BINARY),
    "large": Case(answer(LARGE), LARGE[:65_536], end=END_TRUNCATED),
    "events": Case(chunked(b"data: 1\n\n", b"data: 2\n\n"), b"data: 1\n\ndata: 2\n\n"),
    "cookie": Case(answer(b"", "set-cookie: sid=secret; Path=/"),
                   headers=(b"set-cookie: sid=<redacted>; Path=/",)),
    "reset": Case(answer(b"fine"), b"fine", shadow=reset, shadow_end=END_NO_RESPONSE),
    "cut": Case(answer(b"fine"), b"fine", shadow=cut, shadow_end=END_NO_RESPONSE),
}  # fmt: skip


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@dataclass
class Running:
    url: str
    collecting: Collecting
    primary: Service
    shadow: Service


@pytest.fixture
async def running(way: str, redis: Any, redis_url: str) -> AsyncIterator[Running]:
    answers: dict[str, Answer] = {f"/{name}": case.primary for name, case in CASES.items()}
    others = {f"/{name}": case.shadow for name, case in CASES.items() if case.shadow is not None}
    async with (
        service(answers) as primary,
        service(answers | others) as shadow,
        collecting(redis_url, redis, clusters=clusters(way), body_cap=65_536) as collector,
        mirroring(way, collector.address, primary.url, shadow.url) as url,
    ):
        yield Running(url, collector, primary, shadow)


async def test_what_was_answered_is_what_is_paired(running: Running, way: str) -> None:
    async with httpx.AsyncClient(base_url=running.url) as client:
        for name, case in CASES.items():
            headers = {"accept-encoding": "identity", "traceparent": CONTEXT}
            got = await client.request(case.method, f"/{name}", headers=headers)
            assert got.status_code == case.status
    for name, case in CASES.items():
        pair = await running.collecting.pair_of(f"/{name}")
        assert pair.kind == "P", name
        assert (pair.primary.service, pair.primary.version, pair.shadow.version) == ("orders", "v1", "v2")
        assert pair.primary.method == case.method
        sides = [pair.primary] if case.shadow_end is not None else [pair.primary, pair.shadow]
        for side in sides:
            assert (name, side.status, side.end, side.body) == (name, case.status, case.end, case.body)
            lines = side.headers.split(b"\r\n")
            assert set(case.headers) <= set(lines), name
            assert side.trailers == case.trailers, name
            assert side.started_us > 0
            assert (name, side.traceparent) == (name, CONTEXT)
        if case.shadow_end is not None:
            assert (name, pair.shadow.end) == (name, case.shadow_end)


async def test_the_copy_is_told_that_it_is_one_and_both_have_one_pair_id(running: Running, way: str) -> None:
    async with httpx.AsyncClient(base_url=running.url) as client:
        await client.get("/plain", headers={"x-mirrordiff-pair": "forged"})
    await running.collecting.pair_of("/plain")
    (one,), (other,) = running.primary.requests, running.shadow.requests
    assert one.headers["x-mirrordiff-pair"] == other.headers["x-mirrordiff-pair"] != "forged"
    assert ROLE_HEADER not in one.headers
    if way != "gateway-ext-proc":  # a mirrored copy of one's own is more than its routes can say
        assert other.headers[ROLE_HEADER] == "shadow"


async def test_one_id_on_two_requests_makes_two_pairs(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.url, headers={"x-request-id": "constant"}) as client:
        for name in ("plain", "chunked", "plain"):
            await client.get(f"/{name}")

    async def three() -> bool:
        return len(await running.collecting.pairs()) == 3

    await eventually(three, "three pairs")
    assert {pair.kind for pair in await running.collecting.pairs()} == {"P"}
