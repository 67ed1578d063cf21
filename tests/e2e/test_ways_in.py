"""One table of responses, each way in: what the services answered is what is paired, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import brotli
import httpx
import pytest

from differ.local.ports import free_ports
from mirrordiff.v1.capture_pb2 import (
    END_COMPLETE,
    END_NO_RESPONSE,
    END_TRUNCATED,
    End,
)
from tests.e2e.ways import CONFIGURED, ROLE_HEADER, Collecting, Pair, clusters, collecting, mirroring
from tests.local.harness import Answer, Request, Service, service
from tests.waiting import eventually

BINARY = bytes(range(256)) * 8
PACKED = gzip.compress(b"packed", mtime=0)
CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACED = "6f0c1c9e-52d7-4b3c-8a51-0f7a3e1b9d42"
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


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads, and says nothing for as long as anybody waits."""
    await reader.read()


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promises more than it gives."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
    await writer.drain()


class Turns(dict[str, Answer]):
    """Answers a path with one after the other, and with the last for ever."""

    def __init__(self, turns: Mapping[str, Sequence[Answer]]) -> None:
        super().__init__({path: answers[-1] for path, answers in turns.items()})
        self._turns = {path: list(answers) for path, answers in turns.items()}

    def get(self, path: str, default: Any = None) -> Any:
        turns = self._turns.get(path)
        if turns is None:
            return super().get(path, default)
        return turns.pop(0) if len(turns) > 1 else turns[0]


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
    by_sidecar: bool = False
    """Whether v2's sidecar answers where v2 does not, which is what a gateway before it sees."""
    headers: tuple[bytes, ...] = ()
    trailers: bytes = b""
    failing: tuple[Answer, ...] = ()
    """What the primary answers before, to attempts that the proxy then repeats."""
    request: dict[str, str] = field(default_factory=dict)


CASES = {
    "plain": Case(answer(b'{"a": 1}', "content-type: application/json", "x-two: 1", "x-two: 2"), b'{"a": 1}',
                  headers=(b"x-two: 1", b"x-two: 2", b"content-type: application/json"),
                  request={"x-mirrordiff-pair": "forged"}),
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
    "reset": Case(answer(b"fine"), b"fine", shadow=reset, shadow_end=END_NO_RESPONSE,
                  by_sidecar=True),
    "cut": Case(answer(b"fine"), b"fine", shadow=cut, shadow_end=END_NO_RESPONSE),
    "late": Case(answer(b"fine"), b"fine", shadow=silent, shadow_end=END_NO_RESPONSE),
    "retried": Case(answer(b"fine"), b"fine", failing=(answer(b"later", status="503 Service Unavailable"),)),
    # Without a pair id; and v2's sidecar, where there is one, changes a digit of the id.
    "unstamped/traced": Case(answer(b"fine"), b"fine", request={"x-request-id": TRACED}),
}  # fmt: skip


@pytest.fixture(params=CONFIGURED)
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@dataclass
class Running:
    url: str
    collecting: Collecting
    primary: Service
    shadow: Service
    stop_shadow: Callable[[], Awaitable[None]]


async def calling(caller: Service, port: int, reader: object, writer: asyncio.StreamWriter) -> None:
    """Answers with what a third service does, called as services do: with the ids of the own request."""
    headers = caller.requests[-1].headers
    kept = {name: value for name, value in headers.items() if name in {"x-request-id", "x-mirrordiff-pair"}}
    async with httpx.AsyncClient() as client:
        got = await client.get(f"http://127.0.0.1:{port}/stock", headers=kept)
    writer.write(answer(got.content))
    await writer.drain()


@pytest.fixture
async def running(way: str, redis: Any, redis_url: str) -> AsyncIterator[Running]:
    answers = Turns({f"/{name}": (*case.failing, case.primary) for name, case in CASES.items()})
    others = {f"/{name}": case.shadow or case.primary for name, case in CASES.items()}
    (port,) = free_ports(1)
    async with (
        service(answers) as primary,
        contextlib.AsyncExitStack() as exits,
        service({"/stock": answer(b"stock")}) as third,
        collecting(redis_url, redis, clusters=clusters(way), body_cap=65_536) as collector,
    ):
        shadow = await exits.enter_async_context(service(others))
        answers["/two-hops"] = functools.partial(calling, primary, port)
        others["/two-hops"] = functools.partial(calling, shadow, port)
        stock = (port, third.url)
        async with mirroring(way, collector.address, primary.url, shadow.url, stock) as proxy:
            yield Running(proxy.url, collector, primary, shadow, exits.aclose)


async def test_what_was_answered_is_what_is_paired(running: Running, way: str) -> None:
    collecting = running.collecting
    headers = {"accept-encoding": "identity", "traceparent": CONTEXT}
    async with httpx.AsyncClient(base_url=running.url, headers=headers) as client:
        for name, case in CASES.items():
            got = await client.request(case.method, f"/{name}", headers=case.request)
            assert got.status_code == case.status
        for name, case in CASES.items():
            pair = await collecting.pair_of(f"/{name}")
            assert pair.kind == "P", name
            assert (pair.primary.service, pair.primary.version, pair.shadow.version) == ("orders", "v1", "v2")
            assert pair.primary.method == case.method
            assert pair.primary.attempt in ((2,) if case.failing else (0, 1))
            sides = [pair.primary] if case.shadow_end is not None else [pair.primary, pair.shadow]
            for side in sides:
                assert (name, side.status, side.end, side.body) == (name, case.status, case.end, case.body)
                lines = side.headers.split(b"\r\n")
                assert set(case.headers) <= set(lines), name
                assert side.trailers == case.trailers, name
                assert side.started_us > 0
                assert (name, side.traceparent) == (name, CONTEXT)
            if case.shadow_end is not None:
                no_answer(pair, name, way, by_sidecar=case.by_sidecar)
        assert len(await collecting.pairs()) == len(CASES)

        async def superseded() -> bool:
            return collecting.metrics.kept["superseded"] == 1

        await eventually(superseded, "the first attempt of the one that was retried is known for one")

        # Of two hops, each side's call to a third service is that service's own, and no pair.
        assert (await client.get("/two-hops")).content == b"stock"
        pair = await collecting.pair_of("/two-hops")
        assert pair.primary.body == pair.shadow.body == b"stock"

        async def both_captured() -> bool:
            return collecting.metrics.received["stock", "primary"] == 2

        await eventually(both_captured, "both calls of the third service are captured")

        await running.stop_shadow()
        assert (await client.get("/refused")).content == b"ok"
        no_answer(await collecting.pair_of("/refused"), "refused", way, by_sidecar=True)

        # What is nobody's candidate is no pair, and no loss.
        assert (await client.get("/elsewhere")).content == b"ok"
        if way == "istio-gateway-ext-proc":

            async def counted() -> bool:
                return collecting.metrics.not_named == 1

            await eventually(counted, "what is not named is counted")
    assert not collecting.metrics.dropped
    # The copy is told that it is one, and both have one new pair id.
    one, other = (of_path(side, "/plain").headers for side in (running.primary, running.shadow))
    assert one["x-mirrordiff-pair"] == other["x-mirrordiff-pair"] != "forged"
    assert ROLE_HEADER not in one
    assert other[ROLE_HEADER] == "shadow"
    assert len(await collecting.pairs()) == len(CASES) + 2
    assert {pair.primary.service for pair in await collecting.pairs()} == {"orders"}
    traced = of_path(running.shadow, "/unstamped/traced").headers["x-request-id"]
    assert (traced == TRACED) == (not way.startswith("istio"))


def of_path(side: Service, path: str) -> Request:
    """The one request of a path that a service got."""
    (found,) = [request for request in side.requests if request.path == path]
    return found


def no_answer(pair: Pair, name: str, way: str, *, by_sidecar: bool) -> None:
    """The shadow of this pair gave none; a gateway sees what v2's sidecar answers instead."""
    if by_sidecar and way == "istio-gateway-ext-proc":
        assert (name, pair.shadow.end, pair.shadow.status) == (name, END_COMPLETE, 503)
    else:
        assert (name, pair.shadow.end) == (name, END_NO_RESPONSE)


async def test_one_id_on_two_requests_makes_two_pairs(running: Running) -> None:
    async with httpx.AsyncClient(base_url=running.url, headers={"x-request-id": "constant"}) as client:
        for name in ("plain", "chunked", "plain", "unstamped/a", "unstamped/b", "unstamped/a"):
            await client.get(f"/{name}")

    async def six() -> bool:
        return len(await running.collecting.pairs()) == 6

    await eventually(six, "six pairs")
    kinds = Counter((pair.primary.path, pair.kind) for pair in await running.collecting.pairs())
    assert (kinds["/plain", "P"], kinds["/chunked", "P"], kinds["/unstamped/b", "P"]) == (2, 1, 1)
    # Two requests that nothing tells apart are matched in their order, and say so.
    assert kinds["/unstamped/a", "A"] >= 1
