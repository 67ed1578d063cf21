"""The collector as a process sees it: a real gRPC stream in, a real Redis behind, things going wrong."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from collector.clusters import Clusters
from collector.intake import Intake
from collector.listener import Listener
from collector.metrics import Metrics
from collector.redaction import Redaction
from collector.server import METHOD
from collector.settings import CollectorSettings
from collector.sink import Sink
from mirrordiff.process.redis import connect
from mirrordiff.process.settings import Address
from mirrordiff.process.tls import Tls
from mirrordiff.redis_keys import PARTITIONS, key, partition_key
from mirrordiff.v1.capture_pb2 import Capture
from tests.entries import entry, message, shipped
from tests.servers import RedisServer
from tests.waiting import eventually


class Running:
    """A collector serving on a port of its own."""

    def __init__(self, port: int, listener: Listener, intake: Intake, sink: Sink) -> None:
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.listener = listener
        self.intake = intake
        self.metrics = intake.metrics
        self.sink = sink

    async def send(self, *messages: bytes) -> None:
        """One stream with these messages, as a proxy opens it."""
        async with grpc.aio.insecure_channel(self.address) as channel:
            call: Any = channel.stream_unary(METHOD)
            await call(iter(messages))

    def received(self) -> int:
        return sum(self.metrics.received.values())

    def dropped(self) -> dict[str, int]:
        return {reason: count for (_, reason), count in self.metrics.dropped.items()}


@contextlib.asynccontextmanager
async def collector(url: str, secured: Tls | None = None, **settings: Any) -> AsyncIterator[Running]:
    metrics = Metrics()
    client = connect(url, name="test-collector")
    configured = CollectorSettings(redis_url=url, **settings)
    sink = Sink(client, configured, metrics)
    intake = Intake(sink, Redaction(), configured.body_cap, metrics)
    listener = Listener(intake, Clusters(configured.clusters), configured.exchange_time)
    port = await listener.start(Address("127.0.0.1", 0), secured)
    writer = asyncio.create_task(sink.run())
    try:
        yield Running(port, listener, intake, sink)
    finally:
        await listener.stop()
        sink.close()
        await writer
        await client.aclose()


def batch(log_name: str, numbers: Sequence[int], body: bytes = b"{}") -> bytes:
    return message(log_name, [entry(shipped(body), pair=b"pair-%d" % number) for number in numbers])


async def ready(client: Any) -> list[dict[bytes, bytes]]:
    """Every entry handed on, over all partitions."""
    found: list[dict[bytes, bytes]] = []
    for number in range(PARTITIONS):
        found += [fields for _, fields in await client.xrange(partition_key("ready", number))]
    return found


async def pairs(client: Any, count: int) -> list[dict[bytes, bytes]]:
    async def enough() -> list[dict[bytes, bytes]]:
        found = await ready(client)
        return found if len(found) >= count else []

    return await eventually(enough, f"{count} pairs are handed on")


async def test_both_sides_of_a_request_meet(redis: Any, redis_url: str) -> None:
    async with collector(redis_url) as running:
        await running.send(batch("primary/orders/v1", range(100)), batch("", range(100, 200)))
        await running.send(batch("shadow/orders/v2", range(200)))
        entries = await pairs(redis, 200)
    assert len(entries) == 200
    capture = Capture.FromString(entries[0][b"s"])
    assert (capture.service, capture.version, capture.body) == ("orders", "v2", b"{}")
    assert running.metrics.kept == {"waiting": 200, "paired": 200}
    assert running.metrics.received == {("orders", "primary"): 200, ("orders", "shadow"): 200}


async def test_one_bad_entry_costs_none_of_its_neighbours(redis: Any, redis_url: str) -> None:
    good = [entry(shipped(b"{}"), pair=b"%d" % number) for number in range(3)]
    bad = [
        b"\xff\xff",
        entry(shipped(b""), request_id=b"").SerializeToString(),
        entry(b"!").SerializeToString(),
    ]
    mixed = [item for two in zip(bad, good, strict=True) for item in two]
    async with collector(redis_url) as running:
        await running.send(message("primary/orders/v1", mixed), b"\xff not a message", message("", mixed))
        await running.send(batch("shadow/orders/v2", []), message("shadow/orders/v2", good))
        await pairs(redis, 3)
    assert running.dropped() == {
        "unreadable_entry": 2, "no_request_id": 2, "unreadable_response": 2, "unreadable_message": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("log_name", "reason"), [("canary/orders", "unknown_role"), ("", "no_identifier")])
async def test_a_stream_that_cannot_be_placed_is_counted(
    redis: Any, redis_url: str, log_name: str, reason: str
) -> None:
    async with collector(redis_url) as running:
        await running.send(batch(log_name, range(5)))
        assert running.dropped() == {reason: 5}
        assert await ready(redis) == []


async def test_secrets_and_oversized_bodies_never_reach_redis(redis: Any, redis_url: str) -> None:
    secret = b"topsecret"
    body = b"x" * 5000 + secret
    headers = (("set-cookie", "sid=topsecret; Path=/"), ("authorization", "topsecret"))
    async with collector(redis_url, body_cap=1024) as running:
        await running.send(message("primary/orders/v1", [entry(shipped(body, headers), pair=b"1")]))
        await running.send(message("shadow/orders/v2", [entry(shipped(body, headers), pair=b"1")]))
        entries = await pairs(redis, 1)
    assert secret not in b"".join(entries[0].values())
    capture = Capture.FromString(entries[0][b"p"])
    assert (len(capture.body), capture.body_size) == (1024, len(body))
    assert b"sid=<redacted>; Path=/" in capture.headers


async def test_redis_away_at_start_and_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    async with collector(server.url) as running:
        await running.send(batch("primary/orders/v1", range(50)))
        await eventually(lambda: told(running.metrics.failed_batches > 0), "a write has failed")
        assert not running.sink.available
        with server:
            client = connect(server.url, name="tests")
            await running.send(batch("shadow/orders/v2", range(50)))
            assert len(await pairs(client, 50)) == 50
            await eventually(lambda: told(running.sink.available), "the sink knows that Redis is back")
            await client.aclose()
        failed = running.metrics.failed_batches
        await running.send(batch("primary/orders/v1", range(50, 80)))
        await eventually(lambda: told(running.metrics.failed_batches > failed), "a write has failed again")
        with server:
            client = connect(server.url, name="tests")
            await running.send(batch("shadow/orders/v2", range(50, 80)))
            assert len(await pairs(client, 30)) == 30
            await client.aclose()
    assert running.dropped() == {}


async def told(value: bool) -> bool:
    return value


async def test_a_full_queue_drops_and_counts_and_tells_redis(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    async with collector(server.url, queue_bytes=1024**2) as running:
        body = b"x" * 100_000
        await running.send(batch("primary/orders/v1", range(30), body))
        dropped = running.dropped()["queue_full"]
        assert 0 < dropped < 30
        with server:
            client = connect(server.url, name="tests")

            async def losses() -> Any:
                return await client.hgetall(key("losses"))

            assert await eventually(losses, "the losses are in Redis") == {
                b"orders\nqueue_full": str(dropped).encode()
            }
            assert running.metrics.kept == {"waiting": 30 - dropped}
            await client.aclose()


async def test_a_full_backlog_refuses_and_counts(redis: Any, redis_url: str) -> None:
    async with collector(redis_url, stream_limit=1) as running:
        await running.send(batch("primary/orders/v1", range(300)))
        await running.send(batch("shadow/orders/v2", range(300)))
        await eventually(
            lambda: told(sum(running.metrics.kept.values()) + sum(running.dropped().values()) == 600),
            "every capture is accounted for",
        )
        assert len(await ready(redis)) == PARTITIONS
        assert set(running.dropped()) <= {"backlog_full", "sampled_out"}


async def test_a_server_that_forgot_the_script_is_told_it_again(tmp_path: Path) -> None:
    """As after a failover: the batch that met the gap is written whole, once."""
    with RedisServer(tmp_path) as server:
        client = connect(server.url, name="tests")
        async with collector(server.url) as running:
            await running.send(batch("primary/orders/v1", range(40)))
            await eventually(lambda: told(running.metrics.kept["waiting"] == 40), "the first halves wait")
            await client.script_flush()
            await running.send(batch("shadow/orders/v2", range(40)))
            assert len(await pairs(client, 40)) == 40
        assert running.metrics.kept == {"waiting": 40, "paired": 40}
        await client.aclose()


async def test_the_last_attempt_counts_even_where_the_shadow_came_before_it(
    redis: Any, redis_url: str
) -> None:
    def one(role: str, *, status: int, attempt: bytes) -> bytes:
        made = entry(shipped(b"{}"), pair=b"1", status=status, attempt=attempt)
        return message(f"{role}/orders/v1", [made])

    async with collector(redis_url, retry_grace=0.5) as running:
        await running.send(one("primary", status=503, attempt=b"1"))
        await running.send(one("shadow", status=200, attempt=b"1"))
        await running.send(one("primary", status=200, attempt=b"2"))
        (fields,) = await pairs(redis, 1)
        assert Capture.FromString(fields[b"p"]).status == 200
        await eventually(
            lambda: told(running.metrics.kept["superseded"] == 1), "the first attempt comes last"
        )
        await running.send(message("primary/orders/v1", [entry(pair=b"2", status=503, attempt=b"1")]))
        await running.send(message("shadow/orders/v2", [entry(pair=b"2", attempt=b"1")]))
        assert len(await pairs(redis, 2)) == 2


async def test_what_is_held_for_a_further_attempt_is_written_at_the_end(redis: Any, redis_url: str) -> None:
    async with collector(redis_url, retry_grace=60) as running:
        await running.send(batch("shadow/orders/v2", [1]))
        failed = entry(shipped(b"{}"), pair=b"pair-1", status=503, attempt=b"1")
        await running.send(message("primary/orders/v1", [failed]))
    assert len(await ready(redis)) == 1


async def test_a_digit_that_tracing_rewrites_on_one_side_parts_nothing(redis: Any, redis_url: str) -> None:
    plain, traced = b"6e7ae35c-7d0e-4ff9-b0fb-a37ba1fdf2d2", b"6e7ae35c-7d0e-9ff9-b0fb-a37ba1fdf2d2"
    async with collector(redis_url) as running:
        await running.send(message("primary/orders/v1", [entry(shipped(b"1"), request_id=plain)]))
        await running.send(message("shadow/orders/v2", [entry(shipped(b"2"), request_id=traced)]))
        (fields,) = await pairs(redis, 1)
    assert fields[b"k"] == b"P"


async def test_a_service_that_both_versions_call_pairs_nothing_of_theirs(redis: Any, redis_url: str) -> None:
    """v1 and v2 of orders both ask stock, under the id of the one request: stock has two primaries."""
    async with collector(redis_url) as running:
        for role in ("primary", "shadow"):
            await running.send(message(f"{role}/orders/{role}", [entry(shipped(role.encode()))]))
            await running.send(message("primary/stock/v1", [entry(shipped(b"12 left"))]))
        (fields,) = await pairs(redis, 1)
        await eventually(lambda: told(running.metrics.kept["waiting"] == 3), "all of it is taken in")
        assert len(await ready(redis)) == 1
    sides = [Capture.FromString(fields[name]) for name in (b"p", b"s")]
    assert [(side.service, side.body) for side in sides] == [("orders", b"primary"), ("orders", b"shadow")]


async def test_a_proxy_that_keeps_asking_whether_this_end_lives_is_not_shut_out(redis_url: str) -> None:
    """Frames as of RFC 9113 §6: Envoy asks every two seconds where it waits for the end of an answer."""
    async with collector(redis_url) as running:
        host, port = running.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        for _ in range(10):
            writer.write(b"\0\0\x08\6\0\0\0\0\0" + b"are you?")
            kind = answered = 0
            while (kind, answered) != (6, 1):
                length, kind, answered = struct.unpack("!xHBB4x", await reader.readexactly(9))
                await reader.readexactly(length)
                assert kind != 7, "GOAWAY"
        writer.close()
        await writer.wait_closed()
