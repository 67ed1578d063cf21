"""TLS of what proxies ship: the collector as a process, streams and posts with and without certificates."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from collector.server import METHOD
from collector.settings import CollectorSettings
from differ.local.ports import free_ports
from mirrordiff.process.settings import Address
from mirrordiff.process.tls import TlsSettings, tls
from tests.api.test_tls import install
from tests.certificates import Authority, Signed
from tests.collector.test_server import batch, collector, pairs
from tests.processes import Process
from tests.waiting import eventually

RECEIVED = "mirrordiff_captures_total{"


class Secured:
    """A collector that asks those who ship for a certificate."""

    def __init__(self, url: str, folder: Path, authority: Authority) -> None:
        self.grpc, self.http, self.health = (f"127.0.0.1:{port}" for port in free_ports(3))
        self._authority = authority
        server = authority.sign("collector")
        settings: dict[str, object] = {
            "redis_url": url, "collector_grpc": self.grpc, "collector_http": self.http,
            "collector_health": self.health, "tls_cert": server.cert, "tls_key": server.key,
            "tls_client_ca": authority.file,
        }  # fmt: skip
        self.process = Process(["collector"], settings, folder)

    async def send(self, client: Signed | None, *messages: bytes) -> None:
        """One stream, as a proxy with this certificate opens it."""
        roots = self._authority.file.read_bytes()
        shown = (None, None) if client is None else (client.key.read_bytes(), client.cert.read_bytes())
        credentials = grpc.ssl_channel_credentials(roots, *shown)
        async with grpc.aio.secure_channel(self.grpc, credentials) as channel:
            call: Any = channel.stream_unary(METHOD)
            await call(iter(messages))

    async def metrics(self) -> str:
        """As Prometheus reads them, which has no certificate."""
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://{self.health}/metrics")).text

    async def ready(self) -> bool:
        async with httpx.AsyncClient() as probe:
            with contextlib.suppress(httpx.TransportError):
                return (await probe.get(f"http://{self.health}/readyz")).status_code == 200
        return False


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def secured(redis_url: str, tmp_path: Path, authority: Authority) -> AsyncIterator[Secured]:
    collector = Secured(redis_url, tmp_path, authority)
    with collector.process as process:
        await eventually(collector.ready, process.said)
        yield collector
        assert await process.stop() == 0


async def test_streams_of_proxies_with_a_certificate(
    redis: Any, secured: Secured, authority: Authority
) -> None:
    proxy = authority.sign("proxy")
    await secured.send(proxy, batch("primary/orders/v1", range(20)))
    await secured.send(proxy, batch("shadow/orders/v2", range(20)))
    assert len(await pairs(redis, 20)) == 20
    assert RECEIVED in await secured.metrics()


async def test_streams_of_others_are_refused(redis: Any, secured: Secured, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "others").sign("stranger")
    for client in (None, stranger):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await secured.send(client, batch("primary/orders/v1", range(3)))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    async with grpc.aio.insecure_channel(secured.grpc) as channel:
        call: Any = channel.stream_unary(METHOD)
        with pytest.raises(grpc.aio.AioRpcError):
            await call(iter([batch("primary/orders/v1", range(3))]))
    assert RECEIVED not in await secured.metrics()


async def test_posts_need_a_certificate_and_probes_do_not(
    redis: Any, secured: Secured, authority: Authority
) -> None:
    post = b'{"id": "1"}\n'
    headers = {"content-type": "application/x-ndjson"}
    for client, reached in ((authority.sign("sender"), True), (None, False)):
        async with httpx.AsyncClient(verify=authority.trusting(client)) as sender:
            request = sender.post(f"https://{secured.http}/v1/captures", content=post, headers=headers)
            if reached:
                assert (await request).json()["rejected"] == 1
            else:
                with pytest.raises(httpx.TransportError):
                    await request
    async with httpx.AsyncClient() as probe:
        for path, status in (("livez", 200), ("metrics", 200), ("v1/captures", 404)):
            assert (await probe.get(f"http://{secured.health}/{path}")).status_code == status


async def test_faults_are_told_before_anything_starts(tmp_path: Path, redis_url: str) -> None:
    process = Process(["collector"], {"redis_url": redis_url, "tls_cert": tmp_path / "none"}, tmp_path)
    with process:

        async def ended() -> bool:
            return process.popen.poll() is not None

        await eventually(ended, process.said)
        assert process.popen.returncode == 3
        assert "MIRRORDIFF_TLS_KEY: is needed beside MIRRORDIFF_TLS_CERT" in process.said()
        assert "none: No such file or directory" in process.said()


def test_everything_is_kept_only_of_proxies_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"REDACT_MODE: .* 0\.0\.0\.0:8602 and 10\.1\.2\.3:8603"):
        CollectorSettings(redact_mode="full", collector_http=Address("10.1.2.3", 8603)).redaction()
    CollectorSettings(redact_mode="full", tls_client_ca=tmp_path / "ca.pem").redaction()
    here = Address("127.0.0.1", 8602), Address("::1", 8603)
    CollectorSettings(redact_mode="full", collector_grpc=here[0], collector_http=here[1]).redaction()
    CollectorSettings().redaction()


async def test_new_files_are_used_for_new_streams(redis: Any, redis_url: str, tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    install(old.sign("before"), cert, key)
    secured = tls(TlsSettings(tls_cert=cert, tls_key=key))
    async with collector(redis_url, secured) as running:

        async def send(authority: Authority, role: str) -> None:
            trust = grpc.ssl_channel_credentials(authority.file.read_bytes())
            async with grpc.aio.secure_channel(running.address, trust) as channel:
                call: Any = channel.stream_unary(METHOD)
                await call(iter([batch(f"{role}/orders/v1", range(3))]))

        await send(old, "primary")
        install(new.sign("after"), cert, key)
        await send(new, "shadow")
        assert len(await pairs(redis, 3)) == 3
