"""The probes of the manifests, asked of the processes as the kubelet asks them, on a read-only root."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from differ.local.ports import free_ports
from mirrordiff.process.settings import PREFIX
from tests.deploy.test_manifests import PROCESSES, environment, processes
from tests.processes import Process
from tests.waiting import eventually

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")

READ_ONLY = (
    "unshare",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    'mount -o remount,bind,ro / && exec "$@"',
    "-",
)


@cache
def read_only_root() -> tuple[str, ...]:
    """What a command runs within, for its root to be read-only; nothing where nobody may have that."""
    try:
        subprocess.run([*READ_ONLY, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return READ_ONLY


def test_the_root_is_read_only_here() -> None:
    if not read_only_root():
        pytest.skip("no user may mount here: the test below runs on a writable root")
    asked = "import os; print(bool(os.statvfs('/').f_flag & os.ST_RDONLY))"
    command = [*read_only_root(), sys.executable, "-c", asked]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "True\n"


@pytest.mark.parametrize("name", PROCESSES)
async def test_probes_find_a_process_ready(name: str, redis: Any, redis_url: str, tmp_path: Path) -> None:
    _, container = processes()[name]
    declared = {port["name"]: port["containerPort"] for port in container["ports"]}
    here = dict(zip(declared.values(), free_ports(len(declared)), strict=True))
    variables: dict[str, object] = {}
    for variable, value in environment(container).items():
        if value.startswith(":"):
            value = f"127.0.0.1:{here[int(value[1:])]}"  # noqa: PLW2901
        elif value.startswith("/"):
            if not value.endswith("tokens.yaml"):
                continue  # files that a cluster mounts
            value = tokens(tmp_path)  # noqa: PLW2901
        variables[variable.removeprefix(PREFIX).lower()] = value
    variables["redis_url"] = redis_url
    with Process(["differ", name], variables, tmp_path, within=read_only_root()) as process:
        for kind in PROBES:
            probe = container[kind]

            async def answered(probe: dict[str, Any] = probe) -> bool:
                return await asked(probe, declared, here)

            await eventually(answered, f"{kind} of the {name}")
        assert await process.stop() == 0


def tokens(folder: Path) -> str:
    """A file of tokens, as the Secret has it."""
    file = folder / "tokens.yaml"
    file.write_text(f"- {{name: gate, sha256: {'ab' * 32}, scopes: [verdict:read]}}\n")
    return str(file)


async def asked(probe: dict[str, Any], declared: dict[str, int], here: dict[int, int]) -> bool:
    """Whether a probe is content."""
    timeout = probe.get("timeoutSeconds", 1)
    if "grpc" in probe:
        wanted = probe["grpc"]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{here[wanted['port']]}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=wanted["service"])
            answer = await stub.Check(request, timeout=timeout, wait_for_ready=True)
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    wanted = probe["httpGet"]
    async with httpx.AsyncClient() as client:
        try:
            url = f"http://127.0.0.1:{here[declared[wanted['port']]]}{wanted['path']}"
            return (await client.get(url, timeout=timeout)).status_code == 200
        except httpx.TransportError:
            return False
