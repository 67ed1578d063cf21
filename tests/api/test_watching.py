"""Watching a verdict over SSE and gRPC: the present one, each change, a sign of life, and an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from differ.api.watching import Watched
from mirrordiff.process.http import serve
from mirrordiff.process.redis import Client
from mirrordiff.process.settings import Address
from mirrordiff.v1 import report_service_pb2 as messages
from mirrordiff.v1.report_service_pb2_grpc import ReportServiceStub
from tests.api.conftest import Api, free_port, running
from tests.api.seeding import Seed
from tests.waiting import eventually

if TYPE_CHECKING:
    from mirrordiff.v1.report_service_pb2_grpc import ReportServiceAsyncStub

SESSION = "services/orders/sessions/v2"


async def seeded(redis: Client, pairs: int, *, differing: int = 0, candidate: str = "v2") -> None:
    seed = Seed(candidate=candidate)
    seed.same(pairs)
    for _ in range(differing):
        seed.pair({"a": 1}, {"a": 2})
    await seed.write(redis)


async def events(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """Events as their fields; a comment has the field ``comment``."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            yield fields
            fields = {}
        elif line.startswith(":"):
            fields["comment"] = line
        else:
            name, _, value = line.partition(": ")
            fields[name] = value


async def test_each_change_is_an_event(api: Api, redis: Client) -> None:
    await seeded(redis, 20)
    async with api.http.stream("GET", f"/v1/{SESSION}/verdict/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = events(answer)
        assert "retry" in await anext(stream)
        first = await anext(stream)
        assert (first["event"], json.loads(first["data"])["pairs"]) == ("verdict", "20")
        await seeded(redis, 30)
        async for event in stream:
            if event.get("event") == "verdict" and json.loads(event["data"])["pairs"] == "50":
                break
        assert event["id"] != first["id"]


async def test_who_resumes_is_not_told_again(api: Api, redis: Client) -> None:
    await seeded(redis, 20)
    tag = (await api.http.get(f"/v1/{SESSION}/verdict")).json()["etag"].strip('"')
    async with api.http.stream(
        "GET", f"/v1/{SESSION}/verdict/events", headers={"last-event-id": tag}
    ) as answer:
        stream = events(answer)
        assert "retry" in await anext(stream)
        assert "comment" in await anext(stream)
    call: Any = api.stub.WatchVerdict(messages.WatchVerdictRequest(name=SESSION, resume_token=tag))
    heard = await call.read()
    assert not heard.HasField("verdict")
    assert heard.resume_token == tag
    call.cancel()


async def test_grpc_watches_a_gate_from_before_there_is_anything(api: Api, redis: Client) -> None:
    call: Any = api.stub.WatchVerdict(messages.WatchVerdictRequest(name="services/orders/gates/default"))
    first = await call.read()
    assert (first.verdict.verdict, first.verdict.reasons[0].code) == ("INCONCLUSIVE", "NO_SESSION")
    await seeded(redis, 1000)
    change = first
    while change.verdict.verdict != "PASS":
        change = await call.read()
    assert change.verdict.candidate == "v2"
    call.cancel()


@pytest.mark.parametrize(
    ("path", "name", "token", "status", "reason", "code"),
    [
        ("services/none/sessions/x", "services/none/sessions/x", "", 404, "SERVICE_NOT_FOUND",
         grpc.StatusCode.NOT_FOUND),
        ("services/orders/gates/strict", "services/orders/gates/strict", "", 404, "GATE_NOT_FOUND",
         grpc.StatusCode.NOT_FOUND),
        ("services/orders/gates/default", "services/orders/gates/default", "yesterday", 410,
         "RESUME_TOKEN_EXPIRED", grpc.StatusCode.OUT_OF_RANGE),
    ],
)  # fmt: skip
async def test_what_cannot_be_watched(
    api: Api, path: str, name: str, token: str, status: int, reason: str, code: grpc.StatusCode
) -> None:
    answer = await api.http.get(f"/v1/{path}/verdict/events", headers={"last-event-id": token})
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.WatchVerdict(messages.WatchVerdictRequest(name=name, resume_token=token)).read()
    assert caught.value.code() is code


async def test_a_watcher_that_never_reads_holds_up_nobody_and_is_ended(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seeded(redis, 20)
    sent, ended = 0, asyncio.Event()
    async with running(redis, connection_s=2) as api:
        watch = api.service.watch

        async def often(*asked: Any) -> AsyncIterator[Watched]:
            """Each change ten thousand times: far more than a connection takes on by itself."""
            nonlocal sent
            try:
                async for change in watch(*asked):
                    for _ in range(10_000):
                        sent += 1
                        yield change
            finally:
                ended.set()

        monkeypatch.setattr(api.service, "watch", often)
        async with grpc.aio.insecure_channel(str(api.grpc_address)) as channel:
            stub: ReportServiceAsyncStub = ReportServiceStub(channel)
            silent: Any = stub.WatchVerdict(messages.WatchVerdictRequest(name=SESSION))

            async def begun() -> bool:
                return sent > 0

            await eventually(begun, "the watch has begun")
            while not ended.is_set():
                asked = api.stub.GetVerdict(messages.GetVerdictRequest(name=SESSION))
                assert (await asyncio.wait_for(asked, 10)).pairs == 20
                assert (await api.http.get(f"/v1/{SESSION}/verdict")).status_code == 200
            assert sent < 10_000
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                await _read_out(silent)


async def _read_out(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_a_client_that_reads_nothing_is_cut_off() -> None:
    sent: list[int] = []
    gone: list[asyncio.Event] = []

    async def endless(_: Scope, receive: Receive, send: Send) -> None:
        number, left = len(sent), asyncio.Event()
        sent.append(0)
        gone.append(left)

        async def leaving() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            left.set()

        listening = asyncio.create_task(leaving())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not left.is_set():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            sent[number] += 65536
        await listening

    address = Address("127.0.0.1", free_port())
    async with serve(endless, address, unread=0.5), httpx.AsyncClient() as client:
        _, silent = await asyncio.open_connection(address.host, address.port, limit=1)
        silent.transport.pause_reading()  # type: ignore[attr-defined]  # of a transport that reads
        silent.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        async def served() -> bool:
            return bool(sent)

        await eventually(served, "the first is served")
        async with client.stream("GET", f"http://{address}/") as beside:
            async for _ in beside.aiter_raw():
                if gone[0].is_set():
                    break
            # The kernel's buffers, and one answer.
            assert sent[0] < 32 * 1024 * 1024 < sent[1]
            assert not gone[1].is_set()
        silent.close()


async def test_watches_end_when_the_server_does(redis: Client) -> None:
    await seeded(redis, 20)
    async with running(redis) as api:
        call: Any = api.stub.WatchVerdict(messages.WatchVerdictRequest(name=SESSION))
        assert (await call.read()).HasField("verdict")
        async with api.http.stream("GET", f"/v1/{SESSION}/verdict/events") as answer:
            stream = events(answer)
            assert "retry" in await anext(stream)
            api.service.close()
            assert [event["event"] async for event in stream if "event" in event] == ["verdict"]
        # gRPC gives a client the status behind every message, so signs of life are read first.
        while (change := await call.read()) is not grpc.aio.EOF:
            assert not change.HasField("verdict")
        assert await call.code() is grpc.StatusCode.OK
