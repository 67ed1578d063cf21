"""The processes of one machine, started in order, watched, and stopped in order.

========= ============================================ =============================
process   ready when                                   needs
========= ============================================ =============================
redis     it takes commands                            –
collector ``/readyz``: it can write to Redis           redis
worker-N  ``/readyz``                                  redis
api       ``/readyz``                                  redis
envoy     its admin socket says so                     collector
========= ============================================ =============================

Stopping goes from the client to the store, so that each passes on what it holds: Envoy, collector,
workers, API, Redis.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from differ.local import probe
from differ.local.envoy_config import Topology, bootstrap
from differ.local.plan import Plan
from differ.local.ports import LOOPBACK, free_ports
from differ.local.process import Child
from differ.local.signalled import Signalled
from mirrordiff.process.redis import (
    UNAVAILABLE,
    RedisError,
    UnsuitableRedis,
    check_suitable,
    connect,
    redact_url,
)
from mirrordiff.process.settings import Address

START_SECONDS = 60
"""How long a process may take to become ready. Python starts slowly on a busy laptop."""

GRACE_SECONDS = 6
"""How long a process may take to stop before it is killed; each promises to need less than 5 s."""

_POLL = 0.03
_WATCH = 0.2
_FLUSH = 0.3
"""A little more than the access logger's flush interval: what Envoy still holds goes out in this time."""


class CannotStartError(Exception):
    """A process did not become ready. The message has its last lines."""


class StopRequested(Exception):
    """Somebody asked to stop while things were being started."""


@dataclass(frozen=True, slots=True)
class _Part:
    child: Child
    missing: Callable[[], str]
    """What is missing until it is ready; empty once it is."""


class Stack:
    """Everything that ``mirrordiff up`` runs.

    ``stop`` ends every wait when it is set; ``hurry`` makes stopping kill what does not end at once.
    ``show`` is given each line that a process writes, with the process's name.
    """

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        *,
        stop: Signalled,
        hurry: Signalled | None = None,
        show: Callable[[str, str], None] | None = None,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._stop = stop
        self._hurry = hurry or Signalled()
        self._show = show
        self._shown: dict[str, int] = {}
        self._parts: dict[str, _Part] = {}
        self._admin = directory / "envoy-admin.sock"
        self._redis_socket = directory / "redis.sock"
        workers = [f"worker-{number}" for number in range(1, plan.workers + 1)]
        names = ["collector", *workers]
        ports = free_ports(len(names) + 1)
        self.http = {name: Address(LOOPBACK, port) for name, port in zip(names, ports, strict=False)}
        """Where each process serves ``/metrics``."""
        self.http["api"] = plan.api_http
        self.collector_grpc = Address(LOOPBACK, ports[-1])
        self._workers = workers

    @property
    def redis_url(self) -> str:
        """The Redis that is used."""
        return self._plan.redis_url or f"unix://{self._redis_socket}"

    @property
    def worker_addresses(self) -> list[Address]:
        """Where the workers serve ``/metrics``."""
        return [self.http[name] for name in self._workers]

    @property
    def pids(self) -> dict[str, int]:
        """The processes that were started, by name."""
        return {name: part.child.pid for name, part in self._parts.items() if part.child.pid is not None}

    def start(self) -> None:
        """Start everything, each once what it needs is ready; returns when all of it is.

        Raises CannotStartError, or StopRequested. What was started is then still there: call
        ``shutdown`` in any case.
        """
        if self._plan.redis_url is not None:
            asyncio.run(_check_redis(self._plan.redis_url))
        if self._plan.redis_server is not None:
            self._launch("redis", self._redis_command(self._plan.redis_server), self._redis_missing)
            self._await("redis")
        # They need nothing of each other, and a Python process takes its time to import things.
        names = ["collector", *self._workers, "api"]
        for name in names:
            self._launch(name, _python(name), self._http_missing(name), self._environ(name))
        for name in names:
            self._await(name)
        self._launch("envoy", self._envoy_command(), self._envoy_missing)
        self._await("envoy")

    def watch(self, meanwhile: Callable[[], None] = lambda: None) -> str | None:
        """Wait until ``stop`` is set, and return None; or until a process ends, and say so.

        ``meanwhile`` is called several times a second.
        """
        while not self._stop.wait(_WATCH):
            self._relay()
            meanwhile()
            if (ending := self.ended()) is not None:
                return ending
        return None

    def ended(self) -> str | None:
        """Which process has ended though it should not have, how, and its last lines; None where all run."""
        for name, part in self._parts.items():
            if not part.child.running:
                return f"{name} ended by itself ({part.child.ending}).{_quoted(part.child)}"
        return None

    def flush(self) -> None:
        """Let Envoy take no more requests, and pass on the captures that it holds."""
        envoy = self._parts.get("envoy")
        if envoy is not None and envoy.child.running and not self._hurry.is_set():
            probe.http_ask(self._admin, "/drain_listeners", "POST")
            self._hurry.wait(_FLUSH)

    def shutdown(self) -> None:
        """Stop everything. No process that was started is left on return, whatever happened before."""
        order = ["envoy", "collector", *self._workers, "api", "redis"]
        self.flush()
        for name in order:
            if name in self._parts:
                self._end(self._parts[name].child)
        self._relay()

    def _end(self, child: Child) -> None:
        child.ask_to_stop()
        deadline = time.monotonic() + GRACE_SECONDS
        while child.running and time.monotonic() < deadline and not self._hurry.wait(_POLL):
            pass
        child.kill()

    def _launch(
        self,
        name: str,
        command: list[str | Path],
        missing: Callable[[], str],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        child = Child(name, command, log=self._directory / f"{name}.log", environ=environ)
        self._parts[name] = _Part(child, missing)
        try:
            child.start()
        except OSError as error:
            raise CannotStartError(f"{name} could not be started: {error.strerror}") from None

    def _await(self, name: str) -> None:
        part = self._parts[name]
        deadline = time.monotonic() + START_SECONDS
        while missing := part.missing():
            self._relay()
            if not part.child.running:
                raise CannotStartError(f"{name} did not start ({part.child.ending}).{_quoted(part.child)}")
            if time.monotonic() > deadline:
                raise CannotStartError(
                    f"{name} was not ready after {START_SECONDS} s: {missing}.{_quoted(part.child)}"
                )
            if self._stop.wait(_POLL):
                raise StopRequested

    def _relay(self) -> None:
        if self._show is None:
            return
        for name, part in self._parts.items():
            try:
                with part.child.log.open("rb") as log:
                    log.seek(self._shown.get(name, 0))
                    whole, newline, _ = log.read().rpartition(b"\n")
            except OSError:
                continue
            self._shown[name] = self._shown.get(name, 0) + len(whole) + len(newline)
            for line in whole.decode("utf-8", "replace").splitlines():
                self._show(name, line)

    def _environ(self, name: str) -> dict[str, str]:
        # What is not set here is the user's to set, but nothing that would turn these processes to
        # another place than the flags say.
        environ = {"MIRRORDIFF_REDIS_URL": self.redis_url, "MIRRORDIFF_RULES": "", "MIRRORDIFF_POLICY": ""}
        # Envoy and the probes of this stack speak to them in the clear, on this machine.
        environ |= {f"MIRRORDIFF_TLS_{file}": "" for file in ("CERT", "KEY", "CLIENT_CA")}
        if name == "collector":
            environ["MIRRORDIFF_COLLECTOR_GRPC"] = str(self.collector_grpc)
            environ["MIRRORDIFF_COLLECTOR_HTTP"] = str(self.http[name])
        elif name == "api":
            environ["MIRRORDIFF_API_HTTP"] = str(self._plan.api_http)
            environ["MIRRORDIFF_API_GRPC"] = str(self._plan.api_grpc)
            environ["MIRRORDIFF_PUBLIC_URL"] = f"http://{self._plan.api_http}"
            if self._plan.policy is not None:
                environ["MIRRORDIFF_POLICY"] = str(self._plan.policy)
        else:
            environ["MIRRORDIFF_WORKER_HTTP"] = str(self.http[name])
        if name != "collector" and self._plan.rules is not None:
            environ["MIRRORDIFF_RULES"] = str(self._plan.rules)
        return environ

    def _redis_command(self, program: Path) -> list[str | Path]:
        options = {
            "port": "0",
            "unixsocket": str(self._redis_socket),
            "unixsocketperm": "700",
            "dir": str(self._directory),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]

    def _envoy_command(self) -> list[str | Path]:
        plan = self._plan
        topology = Topology(
            listen=plan.listen,
            admin=self._admin,
            collector=self.collector_grpc,
            upstreams=plan.upstreams,
            versions=plan.versions,
            service=plan.service,
            unsafe=plan.unsafe,
        )
        config = self._directory / "envoy.json"
        config.write_text(json.dumps(bootstrap(topology)), "utf-8")
        threads = max(1, min(4, os.cpu_count() or 1))
        # Hot restart wants shared memory under a number that a second Envoy on this machine would share.
        options = ["--disable-hot-restart", "--concurrency", str(threads), "--log-level", "warn"]
        return [plan.envoy, "--config-path", config, *options]

    def _redis_missing(self) -> str:
        return "" if probe.redis_answers(self._redis_socket) else "it takes no commands"

    def _envoy_missing(self) -> str:
        return "" if probe.http_ok(self._admin, "/ready") else "it takes no requests"

    def _http_missing(self, name: str) -> Callable[[], str]:
        def missing() -> str:
            status, said = probe.http_ask(self.http[name], "/readyz")
            return "" if status == 200 else said.strip() or "it does not answer"

        return missing


async def _check_redis(url: str) -> None:
    """Raise CannotStartError where the user's Redis does not answer, or refuses, or would lose evidence."""
    try:
        client = connect(url, name="up")
    except ValueError as error:
        raise CannotStartError(f"{redact_url(url)} (--redis): {error}") from None
    try:
        await client.ping()
        await check_suitable(client)
    except UNAVAILABLE:
        raise CannotStartError(f"nothing answers at {redact_url(url)} (--redis)") from None
    except (RedisError, UnsuitableRedis) as error:
        raise CannotStartError(f"{redact_url(url)} (--redis): {error}") from None
    finally:
        await client.aclose()


def _python(name: str) -> list[str | Path]:
    """The command of one of our own processes. ``-P``: a folder of the same name here is not meant."""
    module = ["collector"] if name == "collector" else ["differ", name.partition("-")[0]]
    return [sys.executable, "-P", "-m", *module]


def _quoted(child: Child) -> str:
    lines = child.last_lines()
    if not lines:
        return " It wrote nothing."
    return "\n".join([" It wrote last:", *(f"  {line}" for line in lines)])
