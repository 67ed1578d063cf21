"""The generated topology in a real Envoy: who gets which request, with which headers, and who is captured."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from differ.core.model import Role
from differ.local import binaries
from differ.local.envoy_clusters import system_ca_file
from differ.local.envoy_config import Topology, bootstrap
from differ.local.envoy_http import BODY_CAP
from differ.local.upstreams import parse_upstream
from mirrordiff.process.settings import Address
from tests.local.harness import Service, eventually, mirroring, service, tcp_server

TLS = Path(__file__).with_name("tls")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9001",
        "http://localhost:9001/v1",
        "http://[::1]:9001",
        "h2c://orders.test:9001",
        "grpc://127.0.0.1:9001",
        "https://orders.test",
        "https://orders.test:8443/v1/",
        "https://127.0.0.1:8443",
    ],
)
@pytest.mark.parametrize("unsafe", [False, True])
def test_envoy_accepts_what_is_generated(tmp_path: Path, url: str, unsafe: bool) -> None:
    topology = Topology(
        listen=Address("127.0.0.1", 8800),
        admin=tmp_path / "admin",
        collector=Address("127.0.0.1", 9000),
        upstreams=dict.fromkeys(Role, parse_upstream(url)),
        versions=dict.fromkeys(Role, "v1"),
        unsafe=unsafe,
        ca_file=system_ca_file(),
    )
    config = tmp_path / "envoy.json"
    config.write_text(json.dumps(bootstrap(topology)))
    said = subprocess.run(
        [binaries.envoy(), "--mode", "validate", "-c", config], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr


def test_a_generated_filter_without_a_cap_of_its_own_is_the_file_itself() -> None:
    source = Path("differ/local/capture.lua")
    lua = (Path(__file__).parents[2] / source).read_text()
    assert f"local BODY_CAP = {BODY_CAP}\n" in lua
    assert (Path(__file__).parents[2] / "deploy/envoy/capture.lua").read_text() == lua


def only(requests: list[dict[str, str]]) -> dict[str, str]:
    assert len(requests) == 1
    return requests[0]


def headers_at(running: Service, path: str) -> list[dict[str, str]]:
    return [request.headers for request in running.requests if request.path == path]


async def test_a_request_reaches_all_roles_with_one_pair_id_and_its_own_id() -> None:
    async with (
        service() as v1, service() as v2, service() as again,
        mirroring(primary=v1.url, shadow=v2.url, control=again.url) as mirror,
        httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        forged = dict.fromkeys(("x-mirrordiff-pair", "x-mirrordiff-role", "x-envoy-original-path"), "forged")
        forged["x-request-id"] = "client-made"
        response = await client.get("/a?b=1", headers=forged)
        copies = {
            role: await mirror.sink.copy_of("/a?b=1", role) for role in ("primary", "shadow", "control")
        }
        sides = {
            "primary": only(headers_at(v1, "/a?b=1")),
            "shadow": only(headers_at(v2, "/a?b=1")),
            "control": only(headers_at(again, "/a?b=1")),
        }
    assert response.text == "ok"
    assert {side["x-request-id"] for side in sides.values()} == {"client-made"}
    (pair,) = {side["x-mirrordiff-pair"] for side in sides.values()}
    assert re.fullmatch(r"[0-9a-f-]{36}", pair)
    assert {copy.request_headers["x-mirrordiff-pair"] for copy in copies.values()} == {pair}
    assert {copy.entry.request.request_id for copy in copies.values()} == {b"client-made"}
    roles = {role: side.get("x-mirrordiff-role") for role, side in sides.items()}
    assert roles == {"primary": None, "shadow": "shadow", "control": "control"}
    assert {copy.log_name for copy in copies.values()} == {
        "primary/orders/v1", "shadow/orders/v2", "control/orders/v1",
    }  # fmt: skip
    assert {copy.body for copy in copies.values()} == {b"ok"}
    assert {copy.entry.request.original_path for copy in copies.values()} == {b""}
    # Beside the role the services see one and the same request, or one that shows it would differ for it.
    assert {**sides["shadow"], "x-mirrordiff-role": "control"} == sides["control"]
    assert {**sides["primary"], "x-mirrordiff-role": "control"} == sides["control"]
    assert {name for name in sides["control"] if name.startswith("x-mirrordiff")} == {
        "x-mirrordiff-pair", "x-mirrordiff-role",
    }  # fmt: skip


async def test_a_request_without_an_id_gets_one_and_repeated_ids_give_new_pairs() -> None:
    async with (
        service() as v1, service() as v2,
        mirroring(primary=v1.url, shadow=v2.url) as mirror, httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        await client.get("/made")
        for _ in range(2):
            await client.get("/twice", headers={"x-request-id": "same"})
        await eventually(lambda: len(v2.requests) == 3, "the shadow got all three")
        made = [only(headers_at(side, "/made"))["x-request-id"] for side in (v1, v2)]
        pairs = [[seen["x-mirrordiff-pair"] for seen in headers_at(side, "/twice")] for side in (v1, v2)]
    assert made[0] == made[1]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}", made[0])
    assert pairs[0] == pairs[1]
    assert len(set(pairs[0])) == 2


WRITES = ["POST", "PUT", "PATCH", "DELETE"]


async def test_what_could_write_goes_to_the_primary_alone_and_is_not_captured() -> None:
    async with (
        service() as v1, service() as v2,
        mirroring(primary=v1.url, shadow=v2.url) as mirror, httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        for method in WRITES:
            response = await client.request(
                method, "/write", content=b"x", headers={"x-mirrordiff-pair": "y"}
            )
            assert response.text == "ok"
        for method in ("GET", "HEAD", "OPTIONS"):
            await client.request(method, f"/{method}")
        for method in ("GET", "HEAD", "OPTIONS"):
            await mirror.sink.copy_of(f"/{method}", "shadow")
        seen = [request.method for request in v2.requests]
        captured = {copy.entry.request.path for copy in mirror.sink.copies}
        assert not any("x-mirrordiff-pair" in headers for headers in headers_at(v1, "/write"))
    assert [request.method for request in v1.requests if request.path == "/write"] == WRITES
    assert seen == ["GET", "HEAD", "OPTIONS"]
    assert captured == {b"/GET", b"/HEAD", b"/OPTIONS"}


async def test_unsafe_mirrors_what_could_write_with_its_body() -> None:
    async with (
        service() as v1, service() as v2,
        mirroring(primary=v1.url, shadow=v2.url, unsafe=True) as mirror,
        httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        await client.post("/write", content=b"abc")
        await mirror.sink.copy_of("/write", "shadow")
    assert only(headers_at(v2, "/write"))["content-length"] == "3"


async def test_an_upgrade_goes_to_the_primary_alone() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        writer.write((await reader.readexactly(4))[::-1])
        await writer.drain()

    async with (
        service({"/socket": echo}) as v1, service() as v2,
        mirroring(primary=v1.url, shadow=v2.url, unsafe=True) as mirror,
    ):  # fmt: skip
        reader, writer = await asyncio.open_connection(mirror.address.host, mirror.address.port)
        writer.write(
            b"GET /socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\r\nping"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        assert await reader.readexactly(4) == b"gnip"
        writer.close()
    assert v2.requests == []


async def test_the_path_of_a_url_is_put_before_each_path_and_the_asked_path_is_kept_in_the_log() -> None:
    async with (
        service() as v1, service() as v2,
        mirroring(primary=v1.url, shadow=f"{v2.url}/next/") as mirror,
        httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        await client.get("/?q=1")
        copy = await mirror.sink.copy_of("/next/?q=1", "shadow")
    assert copy.entry.request.original_path == b"/?q=1"
    assert [request.path for request in v1.requests] == ["/?q=1"]


async def test_a_named_host_sees_its_own_name_and_an_ip_address_the_clients() -> None:
    async with (
        service() as v1, service() as v2,
        mirroring(primary=v1.url, shadow=v2.url.replace("127.0.0.1", "localhost")) as mirror,
        httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        await client.get("/host", headers={"host": "shop.test"})
        await mirror.sink.copy_of("/host", "shadow")
        assert only(headers_at(v1, "/host"))["host"] == "shop.test"
        assert only(headers_at(v2, "/host"))["host"] == "shop.test"


async def test_a_shadow_that_never_reads_and_never_answers_holds_nobody_up() -> None:
    async def never_read(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        service() as v1, tcp_server(never_read) as port,
        mirroring(primary=v1.url, shadow=f"http://127.0.0.1:{port}", unsafe=True) as mirror,
        httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        response = await client.post("/upload", content=bytes(8 * 1024 * 1024))
        assert response.text == "ok"
        assert (await mirror.sink.copy_of("/upload")).body == b"ok"


async def test_a_shadow_that_is_not_there_costs_the_client_nothing_and_is_recorded() -> None:
    async with service() as gone:
        nowhere = gone.url
    async with (
        service() as v1, mirroring(primary=v1.url, shadow=nowhere) as mirror,
        httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        assert (await client.get("/x")).status_code == 200
        copy = await mirror.sink.copy_of("/x", "shadow")
    assert copy.entry.common_properties.response_flags.upstream_connection_failure
    assert copy.entry.response.response_code_details != b"via_upstream"


async def test_a_shadow_that_never_answers_is_recorded_as_one_without_response() -> None:
    async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        service() as v1, service({"/x": hang}) as v2,
        mirroring(primary=v1.url, shadow=v2.url, mirror_idle="0.2s") as mirror,
        httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        assert (await client.get("/x")).text == "ok"
        copy = await mirror.sink.copy_of("/x", "shadow")
    assert copy.entry.common_properties.response_flags.stream_idle_timeout
    assert copy.entry.response.response_code_details != b"via_upstream"


def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    return context


async def test_a_service_behind_tls_is_checked_and_sees_the_name_it_is_called_by() -> None:
    names: list[str | None] = []
    context = tls_context()
    context.sni_callback = lambda _, name, __: names.append(name)
    async with service(tls=context) as v2, service() as v1:
        authorities = [f"{host}:{v2.port}" for host in ("v2.localhost", "127.0.0.1")]
        for authority in authorities:
            async with (
                mirroring(
                    primary=v1.url, shadow=f"https://{authority}", ca_file=str(TLS / "authority.pem")
                ) as mirror,
                httpx.AsyncClient(base_url=mirror.url) as client,
            ):
                await client.get("/tls")
                copy = await mirror.sink.copy_of("/tls", "shadow")
            assert copy.body == b"ok"
    assert names == ["v2.localhost", None]
    assert [request.headers["host"] for request in v2.requests] == authorities


@pytest.mark.parametrize(
    ("host", "authority"),
    [("localhost", system_ca_file()), ("a.b.localhost", str(TLS / "authority.pem"))],
    ids=["unknown authority", "another name"],
)
async def test_a_service_with_a_wrong_certificate_is_not_spoken_to(host: str, authority: str) -> None:
    async with (
        service() as v1, service(tls=tls_context()) as v2,
        mirroring(primary=v1.url, shadow=f"https://{host}:{v2.port}", ca_file=authority) as mirror,
        httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        assert (await client.get("/tls")).text == "ok"
        copy = await mirror.sink.copy_of("/tls", "shadow")
    assert copy.entry.common_properties.response_flags.upstream_connection_failure
    assert v2.requests == []


async def test_a_collector_that_dies_costs_the_client_nothing() -> None:
    async with (
        service() as v1, service() as v2,
        mirroring(primary=v1.url, shadow=v2.url) as mirror, httpx.AsyncClient(base_url=mirror.url) as client,
    ):  # fmt: skip
        await client.get("/before")
        await mirror.sink.copy_of("/before", "shadow")
        await mirror.stop_collector()
        statuses = [(await client.get("/after")).status_code for _ in range(200)]
    assert set(statuses) == {200}
