"""The API process: settings → objects → serve until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from differ.api.app import create_app, health_app
from differ.api.binding import bind
from differ.api.bounds import LARGEST_REQUEST
from differ.api.diffs import Diffs
from differ.api.entrance import Entrance, entrance
from differ.api.fresh import Age
from differ.api.gates import read_gates
from differ.api.grpc_api import GrpcApi
from differ.api.grpc_door import GrpcDoor
from differ.api.guard import Guard
from differ.api.notes import RuleNotes
from differ.api.service import ReportService
from differ.api.settings import ApiSettings
from differ.api.snapshots import Snapshots
from differ.store.decisions import Decisions
from differ.store.evidence import Evidence
from differ.store.examples import Examples
from differ.store.reviews import Reviews
from mirrordiff.process import http
from mirrordiff.process.logs import logger
from mirrordiff.process.redis import UNAVAILABLE, check_suitable, connect, redact_url
from mirrordiff.v1 import report_service_pb2
from mirrordiff.v1.report_service_pb2_grpc import add_ReportServiceServicer_to_server

log = logger("differ.api")

CONNECTION_S: Final = 3600.0
"""After about so long a client is asked to connect anew, and a twentieth of it later made to. A watcher that
never reads has one answer waiting, whatever happens, and no other way to be ended; others resume."""

SERVICE_NAME = report_service_pb2.DESCRIPTOR.services_by_name["ReportService"].full_name


async def run(settings: ApiSettings) -> None:
    """Serve until told to stop.

    Raises SettingsError for a file of tokens or of TLS that cannot be used, and for addresses that would
    let strangers in; PolicyError, RulesError or OSError for files that cannot be used, UnsuitableRedis and
    AddressInUse as their names say. A Redis that is away makes answers say so, and comes back by itself.
    """
    entered = entrance(settings)
    gates = read_gates(settings.policy)
    notes = RuleNotes(settings.rules)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        redis = connect(settings.redis_url, name="api")
        stack.push_async_callback(redis.aclose)
        with contextlib.suppress(*UNAVAILABLE):
            await check_suitable(redis)
        evidence = Evidence(redis)
        snapshots = Snapshots(
            evidence,
            Decisions(redis),
            gates,
            notes,
            Reviews(redis),
            time.time,
            public_url=settings.public_url,
        )
        service = ReportService(
            evidence, Diffs(Examples(redis), Age()), snapshots, trace_url=settings.trace_url
        )

        async def ready() -> str:
            # Not whether Redis answers: a gate that asks meanwhile is told INCONCLUSIVE, which makes a
            # release wait, and an API that cannot be reached would make it fail.
            return "stopping" if stop.is_set() else ""

        server, checks = grpc_server(service, settings, entered)
        await announce(checks)
        await server.start()
        stack.push_async_callback(server.stop, 1)
        app = create_app(service, ready, entered)
        await stack.enter_async_context(http.serve(app, settings.api_http, secured=entered.tls))
        if settings.api_health is not None:
            await stack.enter_async_context(http.serve(health_app(service, ready), settings.api_health))
        log.info(
            "api_ready",
            http=str(settings.api_http),
            grpc=str(settings.api_grpc),
            redis=redact_url(settings.redis_url),
            open=entered.authentication.open,
            tls=entered.tls is not None,
        )
        await stop.wait()
        await checks.enter_graceful_shutdown()
        service.close()
    log.info("api_stopped")


def grpc_server(
    service: ReportService, settings: ApiSettings, entered: Entrance, connection_s: float = CONNECTION_S
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    """The gRPC server, not yet started, and its health. Raises AddressInUse.

    A connection is ended after ``connection_s``, whether its client reads or not.
    """
    server = grpc.aio.server(
        interceptors=[Guard(), GrpcDoor(entered.authentication)],
        options=[
            ("grpc.max_receive_message_length", LARGEST_REQUEST),
            ("grpc.so_reuseport", 0),
            ("grpc.max_connection_age_ms", round(connection_s * 1000)),
            ("grpc.max_connection_age_grace_ms", round(connection_s * 50)),
        ],
    )
    add_ReportServiceServicer_to_server(GrpcApi(service), server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    try:
        bind(server, settings.api_grpc, entered.tls)
    except RuntimeError:
        raise http.AddressInUse(settings.api_grpc) from None
    return server, checks


async def announce(checks: health.aio.HealthServicer) -> None:
    """Say that everything serves, under each name that is asked for."""
    for name in ("liveness", "readiness", SERVICE_NAME):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
