"""TLS on both APIs: for clients with and without certificates, for commands, and while files change."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from differ.local.ports import free_ports
from mirrordiff.process.redis import Client
from mirrordiff.v1 import report_service_pb2 as messages
from mirrordiff.v1.report_service_pb2_grpc import ReportServiceStub
from tests.api.conftest import running
from tests.api.processes import command
from tests.api.seeding import Seed
from tests.certificates import Authority, Signed
from tests.processes import Process
from tests.waiting import eventually


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def credentials(authority: Authority, client: Signed | None = None) -> grpc.ChannelCredentials:
    roots = authority.file.read_bytes()
    if client is None:
        return grpc.ssl_channel_credentials(roots)
    return grpc.ssl_channel_credentials(roots, client.key.read_bytes(), client.cert.read_bytes())


async def test_both_apis_speak_tls_and_nothing_else(redis: Client, authority: Authority) -> None:
    server = authority.sign("api")
    async with running(
        redis,
        trust=authority.trusting(),
        credentials=credentials(authority),
        tls_cert=server.cert,
        tls_key=server.key,
    ) as api:
        assert (await api.http.get("/v1/services")).status_code == 200
        await api.stub.ListServices(messages.ListServicesRequest())
        async with httpx.AsyncClient() as plain:
            with pytest.raises(httpx.TransportError):
                await plain.get(f"http://{api.address}/v1/services")
        async with httpx.AsyncClient() as strict:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await strict.get(f"https://{api.address}/v1/services")


async def test_clients_show_a_certificate_where_that_is_asked(redis: Client, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    server, client, stranger = ours.sign("api"), ours.sign("gate"), others.sign("stranger")
    async with running(
        redis,
        trust=ours.trusting(client),
        credentials=credentials(ours, client),
        tls_cert=server.cert,
        tls_key=server.key,
        tls_client_ca=ours.file,
    ) as api:
        assert (await api.http.get("/v1/services")).status_code == 200
        await api.stub.ListServices(messages.ListServicesRequest())
        for shown in (None, stranger):
            async with grpc.aio.secure_channel(str(api.grpc_address), credentials(ours, shown)) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await ReportServiceStub(channel).ListServices(messages.ListServicesRequest())
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            async with httpx.AsyncClient(verify=ours.trusting(shown)) as refused:
                with pytest.raises(httpx.TransportError):
                    await refused.get(f"https://{api.address}/v1/services")


async def test_new_files_are_used_for_new_connections(redis: Client, tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    before, after = old.sign("before"), new.sign("after")
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    install(before, cert, key)
    async with running(
        redis, trust=old.trusting(), credentials=credentials(old), tls_cert=cert, tls_key=key
    ) as api:
        rpc = str(api.grpc_address)
        assert (await api.http.get("/livez")).status_code == 200
        await api.stub.ListServices(messages.ListServicesRequest())

        cert.write_text("not a certificate")
        async with httpx.AsyncClient(verify=old.trusting()) as still:
            assert (await still.get(f"https://{api.address}/livez")).status_code == 200

        install(after, cert, key)
        async with httpx.AsyncClient(verify=new.trusting()) as client:
            assert (await client.get(f"https://{api.address}/livez")).status_code == 200
        async with grpc.aio.secure_channel(rpc, credentials(new)) as channel:
            await ReportServiceStub(channel).ListServices(messages.ListServicesRequest())


def install(signed: Signed, cert: Path, key: Path) -> None:
    for source, target in ((signed.key, key), (signed.cert, cert)):
        fresh = target.with_suffix(".new")
        fresh.write_bytes(source.read_bytes())
        fresh.replace(target)


async def test_all_faults_of_the_files_at_once(tmp_path: Path, authority: Authority) -> None:
    ours, other = authority.sign("ours"), authority.sign("other")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text("- {name: a}\n")

    async def told(**files: Path) -> str:
        ended = await command(
            "api",
            MIRRORDIFF_TOKENS=str(tokens),
            **{f"MIRRORDIFF_{name}": str(file) for name, file in files.items()},
        )
        assert ended.code == 3
        assert "MIRRORDIFF_TOKENS: line 1" in ended.err
        return ended.err

    lonely = await told(TLS_CLIENT_CA=tmp_path / "none")
    for said in ("TLS_CERT: is needed", "TLS_KEY: is needed", "none: No such file"):
        assert said in lonely
    assert "TLS_KEY: is not the key of this certificate" in await told(TLS_CERT=ours.cert, TLS_KEY=other.key)
    wrong = await told(TLS_CERT=ours.cert, TLS_KEY=ours.key, TLS_CLIENT_CA=broken)
    assert "TLS_CLIENT_CA: cannot be used" in wrong
    wrong = await told(TLS_CERT=broken, TLS_KEY=broken)
    assert "TLS_CERT: cannot be used" in wrong
    assert "TLS_KEY: cannot be used" in wrong


@contextlib.contextmanager
def secured(url: str, folder: Path, authority: Authority) -> Iterator[tuple[Process, str, str]]:
    """A process that asks clients for certificates; with its address, and that of its health."""
    server = authority.sign("api")
    http, rpc, health = (f"127.0.0.1:{port}" for port in free_ports(3))
    settings: dict[str, object] = {
        "redis_url": url, "api_http": http, "api_grpc": rpc, "api_health": health,
        "tls_cert": server.cert, "tls_key": server.key, "tls_client_ca": authority.file,
    }  # fmt: skip
    with Process(["differ", "api"], settings, folder) as process:
        yield process, http, health


async def test_commands_and_probes(
    redis: Client, redis_url: str, tmp_path: Path, authority: Authority
) -> None:
    seed = Seed()
    seed.same(20)
    await seed.write(redis)
    client = authority.sign("gate")
    with secured(redis_url, tmp_path, authority) as (process, address, health):

        async def probed() -> bool:
            async with httpx.AsyncClient() as probe:
                with contextlib.suppress(httpx.TransportError):
                    answers = [
                        await probe.get(f"http://{health}/{path}") for path in ("livez", "readyz", "metrics")
                    ]
                    assert (await probe.get(f"http://{health}/v1/services")).status_code == 404
                    return all(answer.status_code == 200 for answer in answers)
            return False

        await eventually(probed, process.said)
        get = ("get", "services", "-o", "json", "--api", f"https://{address}")
        ended = await command(*get, "--ca-file", str(authority.file), "--client-cert", str(client.both))
        assert ended.code == 0, ended.err
        assert json.loads(ended.out)[0]["displayName"] == "orders"
        by_environment = await command(
            *get, MIRRORDIFF_CA_FILE=str(authority.file), MIRRORDIFF_CLIENT_CERT=str(client.both)
        )
        assert by_environment.code == 0, by_environment.err
        for lacking in ((), ("--ca-file", str(authority.file))):
            assert (await command(*get, *lacking)).code == 4
        no_pem = await command(*get, "--ca-file", str(client.key))
        assert no_pem.code == 3
        assert "--ca-file" in no_pem.err
        assert await process.stop() == 0
