"""gRPC, websockets, clients that go away, and half of the requests, each way in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest

from mirrordiff.v1.capture_pb2 import END_COMPLETE
from tests.e2e.test_ways_in import chunked
from tests.e2e.ways import CONFIGURED, clusters, collecting, mirroring
from tests.local.harness import service
from tests.waiting import eventually

METHOD = "/shop.Orders/Get"


@contextlib.asynccontextmanager
async def grpc_service() -> AsyncIterator[str]:
    """Echoes; or fails where it is asked to."""

    async def get(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        context.set_trailing_metadata((("x-cost", "7"),))
        if request == b"fail":
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such order")
        return request

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            return grpc.unary_unary_rpc_method_handler(get)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.parametrize("way", CONFIGURED)
async def test_grpc_with_its_trailers(redis: Any, redis_url: str, way: str) -> None:
    async with (
        grpc_service() as primary,
        grpc_service() as shadow,
        collecting(redis_url, redis, clusters=clusters(way)) as collector,
        mirroring(way, collector.address, primary, shadow, unsafe=True) as proxy,
        grpc.aio.insecure_channel(proxy.url.removeprefix("http://")) as channel,
    ):
        call: Any = channel.unary_unary(METHOD)
        assert await call(b"hello") == b"hello"
        with pytest.raises(grpc.aio.AioRpcError):
            await call(b"fail")

        async def both() -> bool:
            return len(await collector.pairs()) == 2

        await eventually(both, "two pairs")
        by_body = {pair.primary.body: pair for pair in await collector.pairs()}
    fine, failed = by_body[b"\x00\x00\x00\x00\x05hello"], by_body[b""]
    for side in (fine.primary, fine.shadow):
        assert (side.end, side.status, side.path) == (END_COMPLETE, 200, METHOD)
        assert {b"grpc-status: 0", b"x-cost: 7"} <= set(side.trailers.split(b"\r\n"))
    for side in (failed.primary, failed.shadow):
        assert side.end == END_COMPLETE
        assert b"grpc-status: 5" in (side.trailers + b"\r\n" + side.headers).split(b"\r\n")


@pytest.mark.parametrize("way", CONFIGURED)
async def test_an_upgraded_connection_works_and_is_no_pair_to_compare(
    redis: Any, redis_url: str, way: str
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data)

    async with (
        service({"/socket": echo}) as primary,
        service({"/socket": echo}) as shadow,
        collecting(redis_url, redis, clusters=clusters(way)) as collector,
        mirroring(way, collector.address, primary.url, shadow.url) as proxy,
    ):
        host, port = proxy.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /socket HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        )
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        for text in (b"one", b"two"):
            writer.write(text)
            assert await reader.readexactly(3) == text
        writer.close()
        await writer.wait_closed()
        async with httpx.AsyncClient(base_url=proxy.url) as client:
            await client.get("/after")
        await collector.pair_of("/after")
    assert ("orders", "primary", "complete") not in {
        key for key, count in collector.metrics.ended.items() if count > 1
    }


@pytest.mark.parametrize("way", CONFIGURED)
async def test_a_client_that_goes_away_leaves_nothing_to_compare(
    redis: Any, redis_url: str, way: str
) -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await reader.read()

    async with (
        service({"/slow": slowly}) as primary,
        service({"/slow": chunked(b"fine")}) as shadow,
        collecting(redis_url, redis, clusters=clusters(way)) as collector,
        mirroring(way, collector.address, primary.url, shadow.url) as proxy,
    ):
        host, port = proxy.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /slow HTTP/1.1\r\nhost: shop\r\n\r\n")
        await reader.readuntil(b"half")
        writer.close()
        await writer.wait_closed()
        pair = await collector.pair_of("/slow")
        assert pair.primary.end != END_COMPLETE
        assert (pair.shadow.end, pair.shadow.body) == (END_COMPLETE, b"fine")


@pytest.mark.parametrize("way", CONFIGURED)
async def test_half_of_the_requests(redis: Any, redis_url: str, way: str) -> None:
    async with (
        service() as primary,
        service() as shadow,
        collecting(redis_url, redis, clusters=clusters(way)) as collector,
        mirroring(way, collector.address, primary.url, shadow.url, percent=50) as proxy,
        httpx.AsyncClient(base_url=proxy.url) as client,
    ):
        for number in range(60):
            await client.get(f"/{number}")

        async def all_paired() -> bool:
            return 0 < len(await collector.pairs()) == len(shadow.requests)

        await eventually(all_paired, "what was mirrored is paired, and nothing else")
        assert 5 < len(shadow.requests) < 55
