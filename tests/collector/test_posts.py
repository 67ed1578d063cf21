"""Captures over HTTP: every good line counts, every bad one says why and repeats nothing, limits hold."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from collector.intake import Intake
from collector.metrics import Metrics
from collector.posts import Posts
from collector.redaction import Redaction
from collector.settings import CollectorSettings
from collector.sink import Sink
from mirrordiff.process.redis import connect
from mirrordiff.redis_keys import PARTITIONS, partition_key
from mirrordiff.v1.capture_pb2 import (
    END_COMPLETE,
    END_NO_RESPONSE,
    END_TRUNCATED,
    END_UPGRADE,
    Capture,
)
from tests.waiting import eventually

NDJSON = {"content-type": "application/x-ndjson"}
SECRET = "s3cr3t-v4lue"
NOON = "2026-01-01T12:00:00Z"


def line(role: str = "primary", **fields: object) -> dict[str, object]:
    known: dict[str, object] = {
        "role": role, "service": "orders", "pair_id": "1", "method": "GET",
        "path": "/orders/1", "status": 200,
    }  # fmt: skip
    return {name: value for name, value in (known | fields).items() if value is not None}


def ndjson(*documents: object) -> bytes:
    return b"\n".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in documents)


class Endpoint:
    def __init__(self, client: httpx.AsyncClient, sink: Sink, redis: Any) -> None:
        self.client = client
        self.sink = sink
        self.redis = redis

    async def post(self, content: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.post("/v1/captures", content=content, headers=NDJSON | (headers or {}))

    async def pair(self) -> tuple[Capture, Capture]:
        """The one pair that was handed on."""

        async def found() -> list[dict[bytes, bytes]]:
            streams = [
                await self.redis.xrange(partition_key("ready", number)) for number in range(PARTITIONS)
            ]
            return [fields for stream in streams for _, fields in stream]

        (fields,) = await eventually(found, "a pair is handed on")
        return Capture.FromString(fields[b"p"]), Capture.FromString(fields[b"s"])


@contextlib.asynccontextmanager
async def endpoint(url: str, redis: Any, *, writing: bool = True, **settings: Any) -> AsyncIterator[Endpoint]:
    configured = CollectorSettings(redis_url=url, **settings)
    metrics = Metrics()
    store = connect(url, name="test-collector")
    sink = Sink(store, configured, metrics)
    posts = Posts(Intake(sink, Redaction(), configured.body_cap, metrics), configured.post_cap)
    app = Starlette(routes=[posts.route])
    writer = asyncio.create_task(sink.run()) if writing else None
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collector") as client:
        yield Endpoint(client, sink, redis)
    sink.close()
    if writer is not None:
        await writer
    await store.aclose()


async def test_everything_in_a_document_is_taken_over(redis: Any, redis_url: str) -> None:
    async with endpoint(redis_url, redis) as to:
        full = line(
            version="v1", authority="shop",
            headers=[["Content-Type", "text/plain"], ["x-a", "ü"], ["X-A", "2"]],
            body="körper", trailers=[["grpc-status", "0"]], started_at="2026-11-23T19:00:00.5Z",
            duration_ms=1.5, attempt=2, request_id="abc",
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )  # fmt: skip
        raw = bytes(range(256))
        shadow = line("shadow", body_base64=base64.b64encode(raw).decode(), started_us=17)
        answer = await to.post(ndjson(full, shadow))
        assert (answer.status_code, answer.json()) == (200, {"accepted": 2, "rejected": 0, "errors": []})
        primary, other = await to.pair()
    assert primary.headers == "content-type: text/plain\r\nx-a: ü\r\nx-a: 2".encode()
    assert (primary.body, primary.trailers) == ("körper".encode(), b"grpc-status: 0")
    assert (primary.version, primary.authority, primary.request_id) == ("v1", "shop", "abc")
    assert (primary.started_us, primary.duration_us) == (1_795_460_400_500_000, 1500)
    assert (primary.status, primary.attempt, primary.end) == (200, 2, END_COMPLETE)
    assert primary.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert (other.body, other.body_size, other.started_us) == (raw, 256, 17)


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({}, END_COMPLETE),
        ({"status": 0}, END_NO_RESPONSE),
        ({"status": None}, END_NO_RESPONSE),
        ({"status": 101}, END_UPGRADE),
        ({"truncated": True}, END_TRUNCATED),
        ({"body": "1234", "body_size": 9}, END_TRUNCATED),
        ({"body": "x" * 2000}, END_TRUNCATED),
        ({"end": "no_response", "status": 504}, END_NO_RESPONSE),
    ],
)
async def test_how_a_response_ended(redis: Any, redis_url: str, fields: dict[str, object], end: int) -> None:
    async with endpoint(redis_url, redis, body_cap=1024) as to:
        await to.post(ndjson(line(), line("shadow", **fields)))
        _, shadow = await to.pair()
    assert shadow.end == end
    assert len(shadow.body) <= 1024


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not a document"),
        (b"\xff", "is not JSON"),
        (b'{"role": "\xff"}', "is not JSON"),
        (b'{"role": "primary", "service": "o", "path": "/\\ud800"}', "is not JSON"),
        ([], "is not a document"),
        (line(role=SECRET), "role: is not what it should be"),
        (line(path=None), "path: is required"),
        (line() | {SECRET: 1}, "has a field that no document has"),
        (line(service=SECRET + "\n"), "service: may have letters, digits and ._/- and up to 128 characters"),
        (line(method="GET " + SECRET), "method: is not a method of HTTP"),
        (line(pair_id=None), "pair_id or request_id: one of them is required"),
        (line(status="200"), "status: is not what it should be"),
        (line(status=1000), "status: is not what it should be"),
        (line(end="complete", status=0), "status: a complete response has one"),
        (line(headers=[["a", "b", "c"]]), "headers: is not what it should be"),
        (line(headers=[["a b", SECRET]]), "headers: has a name that cannot be one"),
        (line(headers=[["a", "b\r\nc: d"]]), "headers: has a value with a line break in it"),
        (line(body="", body_base64=""), "body and body_base64 exclude each other"),
        (line(body_base64=SECRET), "body_base64: is not base64"),
        (line(started_at="yesterday"), "started_at: is not what it should be"),
        (line(started_at=NOON, started_us=1), "started_at and started_us exclude each other"),
        (line(duration_ms=-1), "duration_ms: is not what it should be"),
    ],
)  # fmt: skip
async def test_a_bad_line_is_told_by_number_and_costs_no_other(
    redis: Any, redis_url: str, bad: object, reason: str
) -> None:
    async with endpoint(redis_url, redis) as to:
        answer = await to.post(ndjson(line(), b"", bad, line("shadow")))
        assert answer.status_code == 200
        assert answer.json() == {"accepted": 2, "rejected": 1, "errors": [{"line": 3, "reason": reason}]}
        await to.pair()
        answer = await to.post(ndjson(bad))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [{"line": 1, "reason": reason}]
    assert SECRET not in answer.text


async def test_a_document_sent_again_under_its_id_counts_once(redis: Any, redis_url: str) -> None:
    async with endpoint(redis_url, redis) as to:
        for _ in range(2):
            assert (await to.post(ndjson(line(id="a"), line("shadow", id="a")))).status_code == 200
        await to.pair()


async def test_gzip_is_taken_and_a_bomb_is_not(redis: Any, redis_url: str) -> None:
    packed = {"content-encoding": "gzip"}
    async with endpoint(redis_url, redis, post_cap=100_000) as to:
        answer = await to.post(gzip.compress(ndjson(line(), line("shadow"))), packed)
        assert answer.json()["accepted"] == 2
        members = [gzip.compress(ndjson(line(pair_id="4", id=str(at))) + b"\n") for at in range(3)]
        assert (await to.post(b"".join(members), packed)).json()["accepted"] == 3
        bomb = await to.post(gzip.compress(ndjson(line(pair_id="2")) + b"\n" + b" " * 50_000_000), packed)
        assert (bomb.status_code, bomb.json()["accepted"]) == (413, 1)
        for broken in (b"not gzip", gzip.compress(ndjson(line(pair_id="3")))[:-9]):
            assert (await to.post(broken, packed)).status_code == 400
        assert (await to.post(b"", {"content-encoding": "br"})).status_code == 415
        assert (await to.post(b"", {"content-type": "text/plain"})).status_code == 415


async def test_a_post_that_never_ends_is_stopped(redis: Any, redis_url: str) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b" " * 10_000

    async with endpoint(redis_url, redis, post_cap=100_000) as to:
        assert (await to.post(b" " * 100_001)).status_code == 413
        assert (await to.post(endless())).status_code == 413
    assert taken <= 20


async def test_a_full_queue_says_when_to_come_back(redis: Any, redis_url: str) -> None:
    async with endpoint(redis_url, redis, writing=False, queue_bytes=1024**2) as to:
        body = "x" * 250_000
        mixed = await to.post(ndjson(*[line(pair_id=str(number), body=body) for number in range(6)]))
        assert mixed.status_code == 200
        assert mixed.json()["accepted"] == 4
        assert {error["reason"] for error in mixed.json()["errors"]} == {"queue_full"}
        refused = await to.post(ndjson(line(body=body)))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        await to.post(ndjson(line(body="x" * 45_000)))
        assert to.sink.full is True
        assert (await to.post(ndjson(line()))).status_code == 429
