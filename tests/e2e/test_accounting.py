"""Every request that a real Envoy mirrored is accounted for: paired, or unpaired with a reason."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from differ.core.model import Role
from differ.local.envoy_config import Topology, bootstrap
from differ.local.ports import LOOPBACK, free_ports
from differ.local.upstreams import parse_upstream
from mirrordiff.process.settings import Address
from tests.local.harness import Answer, envoy, service
from tests.processes import Process
from tests.waiting import eventually


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        await reader.readexactly(1)


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection without an answer."""
    writer.close()


def json_answer(body: str, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return (head + body).encode()


HUGE = json_answer('"' + "x" * 400_000 + '"')
V1: dict[str, Answer] = {
    "/same": json_answer("[1]"),
    "/huge": HUGE,
    "/broken": json_answer("{1}"),
    "/number": json_answer("[1]"),
}
V2: dict[str, Answer] = {
    **V1,
    "/hang": hang,
    "/reset": reset,
    "/error": json_answer("{}", "500 Internal Server Error"),
    "/number": json_answer("[2]"),
}
PATHS = ["/same", "/huge", "/broken", "/number", "/hang", "/reset", "/error", "/else"]


async def metrics(port: int) -> list[tuple[str, dict[str, str], int]]:
    """Name, labels and value of every sample."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://{LOOPBACK}:{port}/metrics")).text
    return [
        (name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), int(float(value)))
        for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.MULTILINE)
    ]


async def summed(port: int, name: str, label: str) -> Counter[str]:
    """One metric, summed by one label."""
    found: Counter[str] = Counter()
    for sample, labels, value in await metrics(port):
        if sample == name and labels.get("service") == "shop":
            found[labels[label]] += value
    return found


def mirrored_in_half(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with every other request mirrored, as a mesh does it to save v2 the load."""
    policies = 0
    for listener in config["static_resources"]["listeners"]:
        for chain in listener["filter_chains"]:
            for network_filter in chain["filters"]:
                for host in network_filter["typed_config"]["route_config"]["virtual_hosts"]:
                    for route in host["routes"]:
                        for policy in route.get("route", {}).get("request_mirror_policies", []):
                            policy["runtime_fraction"] = {"default_value": {"numerator": 50}}
                            policies += 1
    assert policies == 1
    return config


@pytest.mark.parametrize("everything_mirrored", [True, False], ids=["all mirrored", "half mirrored"])
async def test_sent_is_paired_plus_unpaired(
    redis: Any, redis_url: str, tmp_path: Path, everything_mirrored: bool
) -> None:
    listen, grpc, collector_http, worker_http, api_http, api_grpc = free_ports(6)
    at = {"redis_url": redis_url}
    async with service(V1) as v1, service(V2) as v2:
        topology = Topology(
            listen=Address(LOOPBACK, listen),
            admin=tmp_path / "admin",
            collector=Address(LOOPBACK, grpc),
            upstreams={Role.PRIMARY: parse_upstream(v1.url), Role.SHADOW: parse_upstream(v2.url)},
            versions={Role.PRIMARY: "v1", Role.SHADOW: "v2"},
            service="shop",
            mirror_idle="1s",
        )
        config = bootstrap(topology) if everything_mirrored else mirrored_in_half(bootstrap(topology))
        collecting = {
            "collector_grpc": f"{LOOPBACK}:{grpc}",
            "collector_http": f"{LOOPBACK}:{collector_http}",
            "half_ttl": 5,
        }
        serving = {"api_http": f"{LOOPBACK}:{api_http}", "api_grpc": f"{LOOPBACK}:{api_grpc}"}
        with (
            Process(["collector"], {**at, **collecting}, tmp_path),
            Process(["differ", "worker"], {**at, "worker_http": f"{LOOPBACK}:{worker_http}"}, tmp_path),
            Process(["differ", "api"], {**at, **serving}, tmp_path),
        ):
            for port in (collector_http, worker_http, api_http):
                await eventually(lambda at=port: ready(at), f"port {port} is ready", within=60)  # type: ignore[misc]
            async with envoy(config), httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{listen}") as client:
                for _ in range(25):
                    answers = await asyncio.gather(*(client.get(path) for path in PATHS))
                    assert {answer.status_code for answer in answers} == {200}
                sent = 25 * len(PATHS)
                mirrored = len(v2.requests) if everything_mirrored else None

                async def accounted() -> bool:
                    pairs = await summed(api_http, "mirrordiff_pairs_total", "outcome")
                    unpaired = await summed(api_http, "mirrordiff_unpaired_total", "role")
                    return pairs.total() + unpaired["primary"] >= sent

                await eventually(accounted, "every request is paired or unpaired", within=60)
            pairs = await summed(api_http, "mirrordiff_pairs_total", "outcome")
            unpaired = await summed(api_http, "mirrordiff_unpaired_total", "role")
            skipped = await summed(api_http, "mirrordiff_skipped_total", "reason")
            received = await summed(collector_http, "mirrordiff_captures_total", "role")
            dropped = await summed(collector_http, "mirrordiff_captures_dropped_total", "reason")
    assert pairs.total() + unpaired["primary"] == sent == received["primary"]
    assert pairs.total() + unpaired["shadow"] == received["shadow"] == len(v2.requests)
    assert dropped == {}
    assert sum(skipped.values()) == pairs["skipped"] > 0
    if everything_mirrored:
        assert mirrored == sent
        assert unpaired == {}
        # /hang, /reset, /error and /number; /huge is over the cap, so it cannot be told.
        assert pairs["different"] == 100
    else:
        assert 0 < unpaired["primary"] < sent
        assert unpaired["shadow"] == 0


async def ready(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://{LOOPBACK}:{port}/readyz")).status_code == 200
    return False
