"""Everything behind a real Envoy, started once for many services, and services with faults to order."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx

from differ.core.model import Role
from differ.local.envoy_config import Topology, bootstrap
from differ.local.ports import LOOPBACK, free_ports
from differ.local.upstreams import parse_upstream
from mirrordiff.process.settings import Address
from tests.local.harness import envoy, tcp_server
from tests.processes import Process
from tests.servers import RedisServer
from tests.waiting import eventually

Body = Callable[[str, Mapping[str, str]], object]
"""What a service answers to a path with these request headers, as JSON data."""

Json = dict[str, Any]


@dataclass
class Stack:
    """Redis, collector, workers and API. ``rules`` and ``gates`` are where they read them from."""

    redis_url: str
    collector: Address
    api: str
    rules: Path
    processes: list[Process]

    def log(self) -> str:
        """What all of them have said."""
        return "\n".join(process.said() for process in self.processes)

    async def verdict(self, service: str, gate: str = "default", **parameters: str) -> Json:
        """The verdict now."""
        async with httpx.AsyncClient(base_url=self.api) as client:
            answer = await client.get(f"/v1/services/{service}/gates/{gate}/verdict", params=parameters)
        answer.raise_for_status()
        document: Json = answer.json()
        return document

    async def verdict_of(self, pairs: int, service: str, gate: str = "default", **parameters: str) -> Json:
        """The verdict once it rests on so many pairs."""
        last: Json = {}

        async def counted() -> bool:
            last.update(await self.verdict(service, gate, **parameters))
            return int(last["pairs"]) >= pairs

        await eventually(counted, lambda: f"{pairs} pairs count: {last}\n{self.log()}", within=60)
        return last

    async def decided(self, service: str) -> Json:
        """The first verdict that decides."""
        last: Json = {}

        async def final() -> bool:
            last.update(await self.verdict(service))
            return bool(last["final"])

        await eventually(final, lambda: f"it is decided: {last}\n{self.log()}", within=60)
        return last


@contextlib.contextmanager
def stack(gates: Mapping[str, str]) -> Iterator[Stack]:
    """A running stack with these policies, by gate, and rules that excuse nothing."""
    with contextlib.ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="md-")))
        server = exits.enter_context(RedisServer(folder))
        rules = folder / "rules.yaml"
        rules.write_text("rules: []\n")
        policies = folder / "gates"
        policies.mkdir()
        for gate, policy in gates.items():
            (policies / f"{gate}.yaml").write_text(policy)
        grpc, *http = free_ports(6)
        at = {"redis_url": server.url}
        collecting = {"collector_grpc": f"{LOOPBACK}:{grpc}", "collector_http": f"{LOOPBACK}:{http[0]}"}
        serving = {
            "api_http": f"{LOOPBACK}:{http[3]}",
            "api_grpc": f"{LOOPBACK}:{http[4]}",
            "policy": policies,
            "rules": rules,
        }
        processes = [exits.enter_context(Process(["collector"], {**at, **collecting}, folder))]
        for port in http[1:3]:
            judging = {**at, "worker_http": f"{LOOPBACK}:{port}", "rules": rules}
            processes.append(exits.enter_context(Process(["differ", "worker"], judging, folder)))
        processes.append(exits.enter_context(Process(["differ", "api"], {**at, **serving}, folder)))
        started = Stack(server.url, Address(LOOPBACK, grpc), f"http://{LOOPBACK}:{http[3]}", rules, processes)
        deadline = time.monotonic() + 60
        while not all(_ready(port) for port in http[:4]):
            assert time.monotonic() < deadline, started.log()
            time.sleep(0.05)
        yield started


def _ready(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://{LOOPBACK}:{port}/readyz").status_code == 200
    return False


@contextlib.asynccontextmanager
async def serving(body: Body) -> AsyncIterator[str]:
    """A service that answers every path; gives its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            request, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            content = json.dumps(body(request.split(" ")[1], headers)).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(content), content)
            )
            await writer.drain()

    async with tcp_server(serve) as port:
        yield f"http://{LOOPBACK}:{port}"


@contextlib.asynccontextmanager
async def mirrored(
    on: Stack, service: str, primary: Body, shadow: Body, control: Body | None = None, candidate: str = "v2"
) -> AsyncIterator[str]:
    """A real Envoy that mirrors from one to the others; gives the URL to ask."""
    async with contextlib.AsyncExitStack() as exits:
        bodies = {Role.PRIMARY: primary, Role.SHADOW: shadow}
        if control is not None:
            bodies[Role.CONTROL] = control
        urls = {role: await exits.enter_async_context(serving(body)) for role, body in bodies.items()}
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="md-"))
        (port,) = free_ports(1)
        topology = Topology(
            listen=Address(LOOPBACK, port),
            admin=Path(folder, "admin"),
            collector=on.collector,
            upstreams={role: parse_upstream(url) for role, url in urls.items()},
            versions={Role.PRIMARY: "v1", Role.SHADOW: candidate, Role.CONTROL: "v1"},
            service=service,
        )
        await exits.enter_async_context(envoy(bootstrap(topology)))
        yield f"http://{LOOPBACK}:{port}"


async def ask(url: str, paths: Iterator[str] | list[str], clients: int = 16) -> None:
    """Ask for each path once."""
    waiting = iter(paths)

    async def client(http: httpx.AsyncClient) -> None:
        for path in waiting:
            (await http.get(path)).raise_for_status()

    async with httpx.AsyncClient(base_url=url) as http:
        await asyncio.gather(*(client(http) for _ in range(clients)))


def orders(count: int) -> list[str]:
    """So many paths, each of another order."""
    return [f"/orders/{number}" for number in range(count)]


def noisy(copy: str, share: int = 20) -> Body:
    """An order whose shelf one answer in ``share`` makes up, each copy for other orders."""

    def body(path: str, _: Mapping[str, str]) -> Json:
        drawn = crc32(f"{copy}{path}".encode())
        return {"order": path, "total": 19.9, "shelf": f"S{drawn:x}" if drawn % share == 0 else "S1"}

    return body


def faulty(body: Body, every: int) -> Body:
    """The same with another total for one order in ``every``."""

    def changed(path: str, headers: Mapping[str, str]) -> object:
        answer = body(path, headers)
        if isinstance(answer, dict) and int(path.rpartition("/")[2]) % every == 7:
            return {**answer, "total": 20.0}
        return answer

    return changed


def stamped(copy: str) -> Body:
    """An order with all that two answers never have in common: times, ids, an echo."""

    def body(path: str, headers: Mapping[str, str]) -> Json:
        now = dt.datetime.now(dt.UTC)
        return {
            "order": path,
            "total": 19.9,
            "servedAt": now.isoformat(),
            "epoch": now.timestamp(),
            "requestId": headers.get("x-request-id"),
            "trace": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{copy}{path}")),
        }

    return body
