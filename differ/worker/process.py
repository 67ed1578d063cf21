"""The worker process: settings → objects → run until SIGTERM or SIGINT, then settle what is held."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket

from differ.core.endpoints import parse_templates
from differ.core.lifting.protobuf import Schemas
from differ.store.deliveries import Deliveries
from differ.store.reviews import Reviews
from differ.store.settlement import Settlement
from differ.worker.builds import Builds
from differ.worker.endpoints import Endpoints
from differ.worker.judge import Judge
from differ.worker.loop import Worker
from differ.worker.metrics import Metrics
from differ.worker.register import Register
from differ.worker.ruleset import Rules
from differ.worker.settings import WorkerSettings
from differ.worker.tracing import tracing
from mirrordiff.process import http
from mirrordiff.process.logs import logger
from mirrordiff.process.redis import UNAVAILABLE, check_suitable, connect, redact_url

log = logger("differ.worker")


async def run(settings: WorkerSettings) -> None:
    """Judge until told to stop.

    Raises TemplateError, RulesError or OSError for files that cannot be used, UnsuitableRedis and
    AddressInUse as their names say. A Redis that is away is waited for.
    """
    given = parse_templates(settings.endpoints.read_text("utf-8")) if settings.endpoints else ()
    schemas = Schemas(settings.descriptor_set.read_bytes()) if settings.descriptor_set else None
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        redis = connect(settings.redis_url, name="worker")
        stack.push_async_callback(redis.aclose)
        blocking = connect(settings.redis_url, name="worker-reads", blocking=True)
        stack.push_async_callback(blocking.aclose)
        with contextlib.suppress(*UNAVAILABLE):
            await check_suitable(redis)
        settlement = Settlement(redis)
        rules = Rules(settings.rules, Reviews(redis))
        register = Register(settlement)
        endpoints = Endpoints(settlement, given)
        builds = Builds(settings.version_header, register.candidates)
        consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        traces = tracing(os.environ, consumer)
        stack.push_async_callback(asyncio.to_thread, traces.close)
        worker = Worker(
            Deliveries(redis, blocking, consumer),
            settlement,
            Judge(endpoints, rules.of, builds, schemas),
            register,
            endpoints,
            rules,
            metrics,
            traces,
            batch=settings.batch,
            reclaim_after=settings.reclaim_after,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, worker.stop)

        async def ready() -> str:
            return "" if worker.available else "Redis does not answer"

        await stack.enter_async_context(
            http.serve(http.health_app(metrics.registry, ready), settings.worker_http)
        )
        log.info("worker_ready", http=str(settings.worker_http), redis=redact_url(settings.redis_url))
        await worker.run()
        log.info("worker_stopped", settled=metrics.settled)
