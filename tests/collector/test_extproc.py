"""ext_proc as the collector serves it: every ending of an RPC, bounds, and clients that harm nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import server
from collector.captured import Unusable
from collector.clusters import Clusters
from collector.extproc import METHOD
from collector.http2.frames import HEADERS, RST_STREAM
from collector.listener import Listener
from collector.rpc import LARGEST_MESSAGE, Messages
from mirrordiff.process.http import AddressInUse
from mirrordiff.process.settings import Address
from mirrordiff.v1.capture_pb2 import END_TRUNCATED, Capture
from tests.collector.http2_peer import REQUEST, Fields, data, opened, raw, to
from tests.collector.test_assembly import body, request, response
from tests.collector.test_server import Running, collector, pairs, told
from tests.waiting import eventually

METADATA = (("x-mirrordiff-service", "orders"), ("x-mirrordiff-version", "v"))


class Proxy:
    """One connection of a proxy, with as many RPCs as it likes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._call: Any = channel.stream_stream(METHOD)

    def open(self, role: str = "primary") -> Any:
        return self._call(metadata=(("x-mirrordiff-role", role), *METADATA))

    async def send(self, role: str, *messages: bytes) -> grpc.StatusCode:
        """An RPC that is open until the collector ends it; how it does."""
        call = self.open(role)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for message in messages:
                await call.write(message)
        return await asyncio.wait_for(call.code(), 20)


@contextlib.asynccontextmanager
async def proxy(running: Running) -> AsyncIterator[Proxy]:
    async with grpc.aio.insecure_channel(running.address) as channel:
        yield Proxy(channel)


def exchange(pair: bytes = b"1", *chunks: bytes) -> list[bytes]:
    """A whole exchange, as messages."""
    last = body(b"", ended=True)
    events = [request(pair=pair), response(), *[body(chunk) for chunk in chunks], last]
    return [event.SerializeToString() for event in events]


async def test_a_bad_message_costs_its_own_exchange_alone(redis: Any, redis_url: str) -> None:
    async with collector(redis_url) as running, proxy(running) as envoy:
        beside = envoy.open("primary")
        first, *others = exchange(b"1", b"{}")
        await beside.write(first)
        assert await envoy.send("primary", exchange(b"2")[0], b"\xff\xff") is grpc.StatusCode.OK
        for message in others:
            await beside.write(message)
        assert await beside.code() is grpc.StatusCode.OK
        assert await envoy.send("shadow", *exchange(b"1", b"{}")) is grpc.StatusCode.OK
        assert len(await pairs(redis, 1)) == 1
        assert running.dropped() == {"unreadable_message": 1}
        assert (running.metrics.open_streams, running.metrics.assembling_bytes) == (0, 0)


async def test_an_rpc_ends_at_the_cap_and_at_the_time(redis: Any, redis_url: str) -> None:
    async with (
        collector(redis_url, body_cap=1024, exchange_time=0.2) as running,
        proxy(running) as envoy,
    ):
        for role in ("primary", "shadow"):
            over = [request().SerializeToString(), response().SerializeToString()]
            assert await envoy.send(role, *over, body(bytes(2000)).SerializeToString()) is grpc.StatusCode.OK
        (fields,) = await pairs(redis, 1)
        sides = [Capture.FromString(fields[name]) for name in (b"p", b"s")]
        assert [(side.end, len(side.body)) for side in sides] == [(END_TRUNCATED, 1024)] * 2
        assert await envoy.send("primary", exchange(b"2")[0]) is grpc.StatusCode.OK
        assert running.metrics.ended["orders", "primary", "no_response"] == 1
        assert running.metrics.assembling_bytes == 0


async def test_memory_for_what_is_not_whole_is_bounded(redis: Any, redis_url: str) -> None:
    async with (
        collector(redis_url, queue_bytes=1024**2, body_cap=1024**2) as running,
        proxy(running) as envoy,
    ):
        half = [*exchange(b"1", bytes(600_000))[:-1]]
        held = envoy.open()
        for message in half:
            await held.write(message)
        await eventually(lambda: told(running.metrics.assembling_bytes > 600_000), "the half is held")
        assert await envoy.send("shadow", *half) is grpc.StatusCode.OK
        assert running.dropped() == {"assembly_full": 1}
        held.cancel()
        await eventually(lambda: told(running.metrics.assembling_bytes == 0), "nothing is held")


async def test_messages_that_do_not_end_are_bounded_too(
    redis: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.rpc.LARGEST_MESSAGE", 1024**2)
    begun = bytes([0, 0, 15, 0, 0]) + bytes(900_000)
    async with collector(redis_url, queue_bytes=1024**2) as running, raw(running.port) as client:
        for stream in (1, 3, 5):
            client.send(opened(stream, to(METHOD)))
            for at in range(0, len(begun), 16_000):
                client.send(data(begun[at : at + 16_000], stream))
        await client.next(HEADERS, 5)
        assert running.dropped() == {"assembly_full": 1}
        client.send(data(b"", 1, ended=True))
        await client.next(HEADERS, 1)
        assert running.dropped() == {"assembly_full": 1, "unreadable_message": 1}
        assert running.metrics.assembling_bytes == len(begun)
    assert running.metrics.assembling_bytes == 0


@pytest.mark.parametrize(
    ("head", "reason"),
    [(b"\1\0\0\0\1", "unreadable_message"), (b"\0\xff\xff\xff\xff", "oversized_message")],
)
async def test_what_is_no_message_ends_the_rpc(redis: Any, redis_url: str, head: bytes, reason: str) -> None:
    async with collector(redis_url) as running, raw(running.port) as client:
        client.send(opened(1, to(server.METHOD)), data(head + b"x"))
        await client.next(RST_STREAM, 1)
        assert running.dropped() == {reason: 1}
        await client.answers()


async def test_other_paths_methods_and_contents(redis: Any, redis_url: str) -> None:
    async with collector(redis_url) as running:
        async with grpc.aio.insecure_channel(running.address) as channel:
            call: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"")
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        got: list[tuple[Fields, bytes]] = [
            ([(":method", "GET"), *REQUEST[1:]], b"405"),
            ([*REQUEST[:4], ("content-type", "text/plain")], b"415"),
            (REQUEST[:4], b"415"),
        ]
        async with raw(running.port) as client:
            for number, (fields, status) in enumerate(got):
                client.send(opened(2 * number + 1, fields, ended=True))
                assert status in (await client.next(HEADERS)).payload


async def test_a_connection_that_breaks_is_not_the_shadow_s_doing(redis: Any, redis_url: str) -> None:
    async with collector(redis_url) as running:
        async with raw(running.port) as client:
            metadata = [("x-mirrordiff-role", "shadow"), *METADATA]
            client.send(opened(1, [*to(METHOD), *metadata]), data(framed(exchange()[:1])))
            await client.answers()
        await eventually(lambda: told(running.metrics.open_streams == 0), "the break is noticed")
        assert dict(running.metrics.ended) == {("orders", "shadow", "aborted"): 1}


async def test_at_the_end_what_is_open_is_let_end_and_then_counted(redis: Any, redis_url: str) -> None:
    async with collector(redis_url) as running, proxy(running) as envoy:
        ending, staying = envoy.open(), envoy.open()
        first, *others = exchange(b"1")
        for call in (ending, staying):
            await call.write(first)
        await eventually(lambda: told(running.metrics.open_streams == 2), "both are open")
        stopping = asyncio.create_task(running.listener.stop(grace=0.5))
        for message in others:
            await ending.write(message)
        assert await ending.code() is grpc.StatusCode.OK
        await stopping
        assert await staying.code() is grpc.StatusCode.UNAVAILABLE
        ended = running.metrics.ended
        assert (ended["orders", "primary", "complete"], ended["orders", "primary", "aborted"]) == (1, 1)
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", running.port)


async def test_an_address_that_is_taken_is_told(redis: Any, redis_url: str) -> None:
    async with collector(redis_url) as running:
        other = Listener(running.intake, Clusters(""), 60)
        with pytest.raises(AddressInUse, match="is something else there"):
            await other.start(Address("127.0.0.1", running.port))


def framed(messages: Sequence[bytes]) -> bytes:
    return b"".join(b"\0" + len(message).to_bytes(4, "big") + message for message in messages)


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 300), max_size=12))
def test_messages_come_out_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    whole, reader, found = framed(messages), Messages(), []
    places = sorted({0, len(whole), *[cut for cut in cuts if cut < len(whole)]})
    for at, end in itertools.pairwise(places):
        found += reader.take(whole[at:end])
    assert (found, reader.partial) == (messages, 0)


def test_a_message_over_the_largest_is_told_by_its_head() -> None:
    with pytest.raises(Unusable, match="oversized_message"):
        Messages().take(b"\0" + (LARGEST_MESSAGE + 1).to_bytes(4, "big"))
    assert Messages().take(b"\0" + LARGEST_MESSAGE.to_bytes(4, "big")) == []
