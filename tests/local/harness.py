"""A real Envoy between servers that are written here, byte for byte."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from differ.core.model import Role
from differ.local import binaries, envoy_config, probe
from differ.local.envoy_config import Topology
from differ.local.ports import free_ports
from differ.local.process import Child
from differ.local.upstreams import parse_upstream
from mirrordiff.envoy.accesslog_pb2 import (
    HttpAccessLogEntry,
    StreamAccessLogsMessage,
    StreamAccessLogsResponse,
)
from mirrordiff.process.settings import Address


async def eventually(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Wait until something holds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(0.01)
            return
    raise AssertionError(f"in {seconds} s it never came to this: {what}")


@dataclass
class Copy:
    """What the capture filter shipped for one response, taken apart as a reader of it does."""

    log_name: str
    entry: HttpAccessLogEntry
    metadata: dict[str, bytes]
    request_headers: dict[str, str]

    @property
    def parts(self) -> tuple[list[bytes], list[bytes], bytes]:
        """Header lines, trailer lines, body."""
        head, trailers, body = base64.b64decode(self.metadata["response"], validate=True).split(
            b"\r\n\r\n", 2
        )
        version, *headers = head.split(b"\r\n")
        assert version == b"1"
        return headers, trailers.split(b"\r\n") if trailers else [], body

    @property
    def headers(self) -> list[bytes]:
        return self.parts[0]

    @property
    def trailers(self) -> list[bytes]:
        return self.parts[1]

    @property
    def body(self) -> bytes:
        return self.parts[2]

    @property
    def body_size(self) -> int:
        return int(self.metadata["body_size"])

    @property
    def request(self) -> tuple[bytes, int]:
        """What was shipped of the request's body, and the length of all of it."""
        size = int(self.metadata["request_size"])
        return base64.b64decode(self.metadata["request"], validate=True), size


class Sink:
    """An access log service that keeps what it is sent."""

    def __init__(self) -> None:
        self.copies: list[Copy] = []
        self.server: grpc.aio.Server | None = None

    async def copy_of(self, path: str, role: str = "primary") -> Copy:
        """The one copy of the response to a path."""
        found: list[Copy] = []

        def arrived() -> bool:
            found[:] = [
                copy
                for copy in self.copies
                if copy.entry.request.path.decode() == path and copy.log_name.split("/")[0] == role
            ]
            return bool(found)

        await eventually(arrived, f"a copy of {path} arrived")
        assert len(found) == 1
        return found[0]

    async def stream(
        self, requests: AsyncIterator[StreamAccessLogsMessage], _: object
    ) -> StreamAccessLogsResponse:
        log_name = ""
        async for message in requests:
            if message.HasField("identifier"):
                log_name = message.identifier.log_name.decode()
            for raw in message.http_logs.log_entry:
                self.copies.append(_copy(log_name, HttpAccessLogEntry.FromString(raw)))
        return StreamAccessLogsResponse()


def _copy(log_name: str, entry: HttpAccessLogEntry) -> Copy:
    metadata = {
        pair.key.decode(): pair.value.string_value
        for namespace in entry.common_properties.metadata.filter_metadata
        if namespace.key == b"mirrordiff"
        for pair in namespace.value.fields
    }
    headers = {header.key.decode(): header.value.decode() for header in entry.request.request_headers}
    return Copy(log_name, entry, metadata, headers)


@contextlib.asynccontextmanager
async def access_log_service() -> AsyncIterator[tuple[Sink, Address]]:
    sink = Sink()
    server = sink.server = grpc.aio.server()
    handler = grpc.stream_unary_rpc_method_handler(
        sink.stream,
        request_deserializer=StreamAccessLogsMessage.FromString,
        response_serializer=StreamAccessLogsResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                "envoy.service.accesslog.v3.AccessLogService", {"StreamAccessLogs": handler}
            )
        ]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield sink, Address("127.0.0.1", port)
    finally:
        await server.stop(grace=None)


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]


Answer = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Service:
    """An HTTP/1.1 server: a path is answered with the bytes that ``answers`` has for it.

    A callable instead of bytes does what it likes with the connection, which is closed afterwards.
    """

    answers: Mapping[str, Answer]
    port: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request_line, *lines = head.strip().split("\r\n")
            method, path, _ = request_line.split(" ")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            self.requests.append(Request(method, path, headers))
            await reader.readexactly(int(headers.get("content-length", 0)))
            answer = self.answers.get(path, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            if not isinstance(answer, bytes):
                await answer(reader, writer)
                break
            writer.write(answer)
            await writer.drain()


@contextlib.asynccontextmanager
async def tcp_server(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A server whose connections end with it; gives its port."""
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


@contextlib.asynccontextmanager
async def service(
    answers: Mapping[str, Answer] | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Service]:
    state = Service(answers or {})
    async with tcp_server(state.serve, tls) as port:
        state.port = port
        yield state


@contextlib.asynccontextmanager
async def envoy(config: Mapping[str, object]) -> AsyncIterator[Path]:
    """A real Envoy with this bootstrap, ready; gives its admin socket.

    Its own log is shown where it does not get so far.
    """
    with tempfile.TemporaryDirectory(prefix="md-") as directory:
        bootstrap = Path(directory, "envoy.json")
        admin = Path(directory, "admin")
        whole = {**config, "admin": {"address": {"pipe": {"path": str(admin)}}}}
        bootstrap.write_text(json.dumps(whole), "utf-8")  # noqa: ASYNC240
        command: list[str | Path] = [
            binaries.envoy(),
            "-c",
            bootstrap,
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "-l",
            "warn",
        ]
        child = Child("envoy", command, log=Path(directory, "envoy.log"))
        child.start()
        try:
            while not probe.http_ok(admin, "/ready"):
                assert child.running, "\n".join(child.last_lines())
                await asyncio.sleep(0.01)
            yield admin
        finally:
            child.stop(5)


@dataclass
class Proxy:
    """The capturing listener of one role, on an address, as a sidecar would have it."""

    sink: Sink
    address: Address

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@contextlib.asynccontextmanager
async def capturing(url: str, **settings: Any) -> AsyncIterator[Proxy]:
    """An Envoy that is nothing but one capturing listener in front of a service.

    ``settings`` are further fields of the topology.
    """
    async with access_log_service() as (sink, collector):
        (port,) = free_ports(1)
        topology = Topology(
            listen=Address("127.0.0.1", port),
            admin=Path("unused"),
            collector=collector,
            upstreams={Role.PRIMARY: parse_upstream(url)},
            versions={Role.PRIMARY: "v1"},
            service="orders",
            **settings,
        )
        whole = envoy_config.bootstrap(topology)
        resources = whole["static_resources"]
        assert isinstance(resources, dict)
        resources["listeners"] = [envoy_config.capturing_listener(topology, Role.PRIMARY, topology.listen)]
        resources["clusters"] = [c for c in resources["clusters"] if not c["name"].startswith("hop-")]
        async with envoy(whole):
            yield Proxy(sink, topology.listen)


@dataclass
class Mirror:
    """A whole topology: front, hops, services."""

    sink: Sink
    address: Address

    async def stop_collector(self) -> None:
        assert self.sink.server is not None
        await self.sink.server.stop(grace=None)

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@contextlib.asynccontextmanager
async def mirroring(
    *, primary: str, shadow: str, control: str | None = None, unsafe: bool = False, **settings: str
) -> AsyncIterator[Mirror]:
    """An Envoy as ``mirrordiff up`` runs it; ``settings`` are further fields of the topology."""
    urls = {Role.PRIMARY: primary, Role.SHADOW: shadow} | ({Role.CONTROL: control} if control else {})
    async with access_log_service() as (sink, collector):
        (port,) = free_ports(1)
        topology = Topology(
            listen=Address("127.0.0.1", port),
            admin=Path("unused"),
            collector=collector,
            upstreams={role: parse_upstream(url) for role, url in urls.items()},
            versions={Role.PRIMARY: "v1", Role.SHADOW: "v2", Role.CONTROL: "v1"},
            service="orders",
            unsafe=unsafe,
            **settings,  # type: ignore[arg-type]
        )
        async with envoy(envoy_config.bootstrap(topology)):
            yield Mirror(sink, topology.listen)
