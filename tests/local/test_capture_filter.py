"""The capture filter in a real Envoy: it ships what the service sent, and the client notices nothing."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest

from differ.local.envoy_http import BODY_CAP
from mirrordiff.request_body import HASHED
from tests.local.harness import Proxy, Service, capturing, service

BINARY = bytes(range(256)) * 5
BIG = bytes(i * 7 % 256 for i in range(1_000_000))
ZIPPED = gzip.compress(b'{"answer": 42}', mtime=0)
MANY_HEADERS = b"".join(b"x-filler-%d: %s\r\n" % (i, b"v" * 1000) for i in range(70))


def plain(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"content-length: %d" % len(body)])
    return head + b"\r\n\r\n" + body


ANSWERS = {
    "/plain": plain(b'{"a": 1}', b"content-type: application/json"),
    "/chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    "/head": b"HTTP/1.1 200 OK\r\ncontent-length: 123\r\nx-only: head\r\n\r\n",
    "/204": b"HTTP/1.1 204 No Content\r\nx-only: 204\r\n\r\n",
    "/304": b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n',
    "/empty": plain(b""),
    "/binary": plain(BINARY, b"content-type: application/octet-stream"),
    "/blank-lines": plain(b"\r\n\r\na\r\n\r\nb\r\n\r\n"),
    "/latin-1": plain(b"ok", b"x-name: caf\xe9 \xff"),
    "/repeated": plain(b"ok", b"set-cookie: a=1", b"set-cookie: b=2", b"x-empty:", b"set-cookie: a=1"),
    "/big": plain(BIG),
    "/gzip": plain(ZIPPED, b"content-encoding: gzip"),
    "/500": plain(b"broken", status=b"500 Internal Server Error"),
    "/headers": plain(b"body", b"x-first: 1").replace(b"x-first: 1\r\n", b"x-first: 1\r\n" + MANY_HEADERS),
    "/chunked-trailers": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"
        b"2\r\nab\r\n0\r\nx-sum: 7\r\n\r\n"
    ),
}


@pytest.fixture
async def upstream() -> AsyncIterator[Service]:
    async with service(ANSWERS) as running:
        yield running


@pytest.fixture
async def proxy(upstream: Service) -> AsyncIterator[Proxy]:
    async with capturing(upstream.url) as running:
        yield running


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=proxy.url) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/plain", 200, b'{"a": 1}'),
        ("GET", "/chunked", 200, b"abcdefg"),
        ("HEAD", "/head", 200, b""),
        ("GET", "/204", 204, b""),
        ("GET", "/304", 304, b""),
        ("GET", "/empty", 200, b""),
        ("GET", "/binary", 200, BINARY),
        ("GET", "/blank-lines", 200, b"\r\n\r\na\r\n\r\nb\r\n\r\n"),
        ("GET", "/500", 500, b"broken"),
    ],
)
async def test_a_response_is_copied_whole_and_reaches_the_client(
    client: httpx.AsyncClient, proxy: Proxy, method: str, path: str, status: int, body: bytes
) -> None:
    response = await client.request(method, path)
    copy = await proxy.sink.copy_of(path)
    assert (response.status_code, response.content) == (status, body)
    assert copy.log_name == "primary/orders/v1"
    assert copy.entry.response.response_code.value == status
    assert copy.entry.response.response_code_details == b"via_upstream"
    assert b":status: %d" % status in copy.headers
    assert (copy.body, copy.body_size, copy.trailers) == (body, len(body), [])
    assert "headers_truncated" not in copy.metadata


async def test_headers_are_shipped_as_the_service_sent_them(client: httpx.AsyncClient, proxy: Proxy) -> None:
    await client.get("/repeated")
    assert (await proxy.sink.copy_of("/repeated")).headers == [
        b":status: 200",
        b"set-cookie: a=1",
        b"set-cookie: b=2",
        b"x-empty: ",
        b"set-cookie: a=1",
        b"content-length: 2",
    ]


async def test_bytes_that_are_not_utf_8_survive_and_harm_no_neighbour(
    client: httpx.AsyncClient, proxy: Proxy
) -> None:
    await asyncio.gather(client.get("/latin-1"), client.get("/plain"))
    assert b"x-name: caf\xe9 \xff" in (await proxy.sink.copy_of("/latin-1")).headers
    assert (await proxy.sink.copy_of("/plain")).body == b'{"a": 1}'


async def test_a_long_body_is_cut_in_the_copy_alone(client: httpx.AsyncClient, proxy: Proxy) -> None:
    response = await client.get("/big")
    copy = await proxy.sink.copy_of("/big")
    assert response.content == BIG
    assert copy.body == BIG[:BODY_CAP]
    assert copy.body_size == len(BIG)


async def test_the_cap_of_a_generated_configuration_counts(upstream: Service) -> None:
    async with capturing(upstream.url, body_cap=1000) as proxy, httpx.AsyncClient() as client:
        await client.get(f"{proxy.url}/big")
        copy = await proxy.sink.copy_of("/big")
    assert (copy.body, copy.body_size) == (BIG[:1000], len(BIG))


async def test_a_header_block_beyond_its_bound_loses_its_rest_and_says_so(upstream: Service) -> None:
    async with capturing(upstream.url) as proxy, httpx.AsyncClient() as client:
        response = await client.get(f"{proxy.url}/headers")
        copy = await proxy.sink.copy_of("/headers")
    assert len(response.headers) > 70
    assert copy.metadata["headers_truncated"] == b"true"
    assert copy.headers[:3] == [b":status: 200", b"x-first: 1", b"x-filler-0: " + b"v" * 1000]
    assert sum(len(line) + 2 for line in copy.headers) <= 65_536
    assert copy.body == b"body"


async def test_an_encoded_body_is_shipped_as_it_was_on_the_wire(
    client: httpx.AsyncClient, proxy: Proxy
) -> None:
    response = await client.get("/gzip")
    assert response.json() == {"answer": 42}
    assert (await proxy.sink.copy_of("/gzip")).body == ZIPPED


async def test_trailers_of_a_chunked_body_are_shipped(client: httpx.AsyncClient, proxy: Proxy) -> None:
    assert (await client.get("/chunked-trailers")).content == b"ab"
    copy = await proxy.sink.copy_of("/chunked-trailers")
    assert (copy.body, copy.trailers) == (b"ab", [b"x-sum: 7"])


async def test_trailers_of_a_grpc_response_are_shipped() -> None:
    async def echo(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        context.set_trailing_metadata((("x-tail", "end"), ("x-tail-bin", b"\x00\xff")))
        return request[::-1]

    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo)
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with (
        capturing(f"grpc://127.0.0.1:{port}") as proxy,
        grpc.aio.insecure_channel(str(proxy.address)) as channel,
    ):
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Echo/Echo")
        assert await call(b"abc") == b"cba"
        copy = await proxy.sink.copy_of("/test.Echo/Echo")
    await server.stop(grace=None)
    assert copy.body == b"\x00\x00\x00\x00\x03cba"
    expected = {b"grpc-status: 0", b"grpc-message: ", b"x-tail: end", b"x-tail-bin: AP8"}
    assert set(copy.trailers) == expected


async def test_an_event_stream_passes_without_waiting_for_its_end() -> None:
    first_seen = asyncio.Event()

    async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            b"9\r\ndata: 1\n\n\r\n"
        )
        await writer.drain()
        await first_seen.wait()
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        await writer.drain()

    async with (
        service({"/events": stream}) as upstream,
        capturing(upstream.url) as proxy,
        httpx.AsyncClient() as client,
        client.stream("GET", f"{proxy.url}/events") as response,
    ):
        events = response.aiter_bytes()
        assert await anext(events) == b"data: 1\n\n"
        first_seen.set()
        assert await anext(events) == b"data: 2\n\n"
        with pytest.raises(StopAsyncIteration):
            await anext(events)
        assert (await proxy.sink.copy_of("/events")).body == b"data: 1\n\ndata: 2\n\n"


async def test_an_upgraded_connection_passes_both_ways_and_has_no_body() -> None:
    async def socket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        writer.write((await reader.readexactly(4))[::-1])
        await writer.drain()

    async with service({"/socket": socket}) as upstream, capturing(upstream.url) as proxy:
        reader, writer = await asyncio.open_connection(proxy.address.host, proxy.address.port)
        writer.write(
            b"GET /socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nping"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert await reader.readexactly(4) == b"gnip"
        writer.close()
        copy = await proxy.sink.copy_of("/socket")
    assert copy.headers[0] == b":status: 101"
    assert (copy.body, copy.body_size, "request" in copy.metadata) == (b"", 0, False)


PAIRED = {"x-mirrordiff-pair": "1"}


async def test_of_a_request_only_a_body_that_is_needed_is_shipped(
    client: httpx.AsyncClient, proxy: Proxy
) -> None:
    sent = {
        "/body": await client.post("/body", content=b"\x00\xff asked"),
        "/long": await client.post("/long", content=BIG),
        "/paired": await client.post("/paired", content=b"asked", headers=PAIRED),
        "/empty": await client.post("/empty"),
        "/plain": await client.get("/plain"),
    }
    assert {answer.status_code for answer in sent.values()} == {200}
    copies = {path: await proxy.sink.copy_of(path) for path in sent}
    assert copies["/body"].request == (b"\x00\xff asked", 8)
    assert copies["/long"].request == (BIG[:HASHED], len(BIG))
    for path in ("/paired", "/empty", "/plain"):
        assert set(copies[path].metadata) == {"response", "body_size"}


async def test_requests_are_shipped_for_a_collector_that_keeps_them(upstream: Service) -> None:
    kept = {"request_bodies": True, "request_headers": ["X-Tenant"]}
    async with capturing(upstream.url, **kept) as proxy, httpx.AsyncClient(headers=PAIRED) as client:
        headers = {"x-tenant": "a", "x-other": "b", "content-type": "text/plain"}
        await client.post(f"{proxy.url}/big", content=BIG, headers=headers)
        copy = await proxy.sink.copy_of("/big")
    assert copy.request == (BIG[:BODY_CAP], len(BIG))
    assert copy.request_headers == PAIRED | {"x-tenant": "a", "content-type": "text/plain"}


async def test_an_upload_passes_while_it_is_copied() -> None:
    """The service has the first part before the client has sent the second."""
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while size := int(await reader.readline(), 16):
            seen.put_nowait((await reader.readexactly(size + 2))[:-2])
        await reader.readline()
        writer.write(plain(b"thanks"))
        await writer.drain()

    async def parts() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"%d" % number * 50_000
            got = b""
            while len(got) < 50_000:
                got += await asyncio.wait_for(seen.get(), 10)
            assert got == b"%d" % number * 50_000

    async with service({"/upload": read}) as upstream, capturing(upstream.url) as proxy:
        async with httpx.AsyncClient() as client:
            assert (await client.post(f"{proxy.url}/upload", content=parts())).content == b"thanks"
        copy = await proxy.sink.copy_of("/upload")
    whole = b"".join(b"%d" % number * 50_000 for number in range(5))
    assert copy.request == (whole[:HASHED], len(whole))


async def test_an_answer_before_the_end_of_the_upload_is_copied_and_the_request_is_not() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(plain(b"too long", b"connection: close", status=b"413 Content Too Large"))
        await writer.drain()

    async with service({"/upload": refuse}) as upstream, capturing(upstream.url) as proxy:
        reader, writer = await asyncio.open_connection(proxy.address.host, proxy.address.port)
        writer.write(b"POST /upload HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"too long"), 20)).startswith(b"HTTP/1.1 413")
        writer.close()
        copy = await proxy.sink.copy_of("/upload")
    assert (copy.body, "request" in copy.metadata) == (b"too long", False)


async def test_a_response_cut_in_its_middle_ships_no_copy_and_says_how_it_ended() -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")
        await writer.drain()

    async with service({"/cut": cut}) as cutting, capturing(cutting.url) as proxy:
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"{proxy.url}/cut")
        copy = await proxy.sink.copy_of("/cut")
    assert copy.metadata == {}
    details = copy.entry.response.response_code_details
    assert details.startswith(b"upstream_reset_after_response_started")


async def test_a_service_that_is_not_there_is_told_from_one_that_says_503() -> None:
    async with service() as gone:
        url = gone.url
    async with capturing(url) as proxy, httpx.AsyncClient() as client:
        assert (await client.get(f"{proxy.url}/x")).status_code == 503
        copy = await proxy.sink.copy_of("/x")
    assert copy.entry.response.response_code_details != b"via_upstream"
    assert copy.entry.common_properties.response_flags.upstream_connection_failure
