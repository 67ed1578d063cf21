"""A collector that is dead, hung, slow or back again: live requests never notice, and what was lost shows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from differ.local.ports import free_ports
from differ.proxies.names import Names, Way
from differ.proxies.render import Kind, render
from mirrordiff.process.settings import Address
from mirrordiff.redis_keys import PARTITIONS, partition_key
from tests.e2e.ways import WAYS, clusters, mirroring
from tests.local.harness import envoy, service
from tests.processes import Process, slowed
from tests.waiting import eventually

LARGE = b"0123456789abcdef" * 327_680  # 5 MB
ANSWERS = {"/large": b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(LARGE) + LARGE}
MEGABYTE = 1024 * 1024
GIVEN_UP_S = 5
"""After which Envoy ends what a hung collector takes nothing of: deferred_close_timeout."""


def collecting(redis_url: str, way: str = "") -> tuple[dict[str, object], Address, int]:
    """A collector's settings, where it takes streams, and the port of its metrics."""
    streams, metrics = (Address("127.0.0.1", port) for port in free_ports(2))
    settings: dict[str, object] = {
        "redis_url": redis_url,
        "collector_grpc": streams,
        "collector_http": metrics,
        "clusters": clusters(way),
    }
    return settings, streams, metrics.port


def envoy_memory() -> int:
    """Resident bytes of the Envoy that this process has started."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        except OSError:
            continue
        if fields["Name"] == "envoy" and int(fields["PPid"]) == os.getpid():
            return int(fields["VmRSS"].split()[0]) * 1024
    raise AssertionError("no Envoy runs")


async def load(url: str, count: int) -> None:
    """So many requests, four at once; each must come whole, and none may hang."""
    async with httpx.AsyncClient(base_url=url, timeout=15) as client:

        async def some() -> None:
            for _ in range(count // 4):
                got = await client.get("/large")
                assert (got.status_code, len(got.content)) == (200, len(LARGE))

        await asyncio.gather(*[some() for _ in range(4)])


async def envoy_counts(admin: Path, names: str) -> int:
    """The sum of the counters of an Envoy that a regular expression finds."""
    transport = httpx.AsyncHTTPTransport(uds=str(admin))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
        said = (await client.get("/stats", params={"filter": names})).text
    return sum(int(line.rpartition(":")[2]) for line in said.splitlines())


async def collector_counts(port: int, family: str, **labels: str) -> int:
    """The sum of a collector's samples that have these labels."""
    async with httpx.AsyncClient() as client:
        said = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    (found,) = [one for one in text_string_to_metric_families(said) if one.name == family]
    return sum(
        int(sample.value)
        for sample in found.samples
        if labels.items() <= sample.labels.items() and not sample.name.endswith("_created")
    )


@pytest.mark.parametrize("way", WAYS)
async def test_live_requests_do_not_notice(redis: Any, redis_url: str, way: str, tmp_path: Path) -> None:
    settings, streams, http_port = collecting(redis_url, way)

    async def paired() -> int:
        return sum([await redis.xlen(partition_key("ready", number)) for number in range(PARTITIONS)])

    async def recovers(url: str, listening: Process) -> None:
        before = await paired()

        async def again() -> bool:
            async with httpx.AsyncClient(base_url=url) as client:
                await client.get("/small")
            return await paired() > before

        await eventually(again, lambda: f"captures arrive again:\n{listening.said()}")

    async def caught_up() -> bool:
        return way.endswith("access-log") or not await collector_counts(http_port, "mirrordiff_open_streams")

    async with (
        service(ANSWERS) as primary,
        service(ANSWERS) as shadow,
        mirroring(way, streams, primary.url, shadow.url) as proxy,
    ):
        await load(proxy.url, 8)  # nobody has ever listened
        with Process(["collector"], settings, tmp_path) as collector:
            await recovers(proxy.url, collector)
            await load(proxy.url, 8)
            memory = [envoy_memory()]
            for _ in range(2):
                os.kill(collector.pid, signal.SIGSTOP)
                await load(proxy.url, 24)
                memory.append(envoy_memory())
                os.kill(collector.pid, signal.SIGCONT)
                await recovers(proxy.url, collector)
                await eventually(caught_up, "what had waited is through")
            async with slowed(collector.pid):
                await load(proxy.url, 16)
                memory.append(envoy_memory())
            await recovers(proxy.url, collector)
            if way.endswith("access-log"):
                assert max(memory) < memory[0] + 100 * MEGABYTE
            # An exchange is given up soon after it has ended: 240 MB pass in each outage, and do not stay.
            assert max(memory[2:]) < memory[1] + 100 * MEGABYTE
            assert not await collector_counts(http_port, "mirrordiff_captures_ended", end="no_response")
            collector.kill()
            await load(proxy.url, 8)
        with Process(["collector"], settings, tmp_path) as collector:
            await recovers(proxy.url, collector)


async def test_what_arrived_and_what_envoy_counted_as_lost_is_what_was_asked(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    """With a collector that stands still until Envoy's buffer is over, and then goes on."""
    settings, streams, http_port = collecting(redis_url)
    (port,) = free_ports(1)
    async with service(ANSWERS) as v1:
        names = Names(primary=v1.url, collector=streams, listen=Address("127.0.0.1", port))
        config = yaml.safe_load(render(Kind.PRIMARY_SIDECAR, Way.ACCESS_LOG, names))
        url = f"http://127.0.0.1:{port}"
        with Process(["collector"], settings, tmp_path) as collector:
            async with envoy(config) as admin:

                async def lost() -> int:
                    return await envoy_counts(admin, "grpc_access_log.logs_dropped")

                async def arrived() -> int:
                    return await collector_counts(http_port, "mirrordiff_captures")

                async def up() -> bool:
                    with contextlib.suppress(httpx.TransportError):
                        return await arrived() == 0
                    return False

                await eventually(up, lambda: f"the collector listens:\n{collector.said()}")

                async def all_told() -> bool:
                    return await arrived() + await lost() == asked

                await load(url, 4)
                asked = 4
                await eventually(all_told, "each is one that arrived or one that Envoy lost")
                before = await lost()
                os.kill(collector.pid, signal.SIGSTOP)
                while await lost() == before:
                    assert asked < 1_000, "Envoy's buffer is never over"
                    await load(url, 40)
                    asked += 40
                os.kill(collector.pid, signal.SIGCONT)
                await load(url, 4)
                asked += 4
                await eventually(all_told, "the same, with those that had waited")
                assert before < await lost() < asked - 4
                async with slowed(collector.pid):
                    await load(url, 40)
                    asked += 40
                await eventually(all_told, "the same, of one that was slow")


@pytest.mark.parametrize("way", ["edge-ext-proc", "istio-ext-proc"])
async def test_what_a_hung_collector_has_slept_through_is_lost_and_is_no_fault_of_v2(
    redis: Any, redis_url: str, way: str, tmp_path: Path
) -> None:
    """Over ext_proc Envoy gives up what it cannot get rid of, as if the service had said nothing."""
    settings, streams, http_port = collecting(redis_url, way)

    async def ended(*ends: str) -> int:
        return sum([await collector_counts(http_port, "mirrordiff_captures_ended", end=end) for end in ends])

    with Process(["collector"], settings, tmp_path) as collector:
        async with (
            service(ANSWERS) as primary,
            service(ANSWERS) as shadow,
            mirroring(way, streams, primary.url, shadow.url) as proxy,
        ):

            async def all_seen() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return await ended("truncated") == 2 * asked
                return False

            asked = 0
            await eventually(all_seen, lambda: f"the collector listens:\n{collector.said()}")
            await load(proxy.url, 4)
            asked = 4
            await eventually(all_seen, "both sides of each have arrived")
            clock = asyncio.get_running_loop().time
            os.kill(collector.pid, signal.SIGSTOP)
            until = clock() + GIVEN_UP_S + 2
            while clock() < until:
                await load(proxy.url, 8)
                asked += 8
            os.kill(collector.pid, signal.SIGCONT)
            await load(proxy.url, 4)
            asked += 4

            async def through() -> bool:
                return not await collector_counts(http_port, "mirrordiff_open_streams")

            await eventually(through, "what had waited is through")
            assert await envoy_counts(proxy.admin, "ext_proc.streams_started") == 2 * asked
            whole, cut = await ended("complete", "truncated"), await ended("aborted")
            cut += await collector_counts(http_port, "mirrordiff_captures_dropped", reason="cut_short")
            lost = await envoy_counts(proxy.admin, "upstream_rq_pending_failure_eject")
            # What came before Envoy gave a connection up is counted on both sides, and nothing on neither.
            assert max(whole + cut, lost) <= 2 * asked <= whole + cut + lost
            assert whole < 2 * asked
            assert not await ended("no_response")
