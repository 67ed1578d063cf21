"""The API process on the tests' Valkey, as its users find it: two addresses."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import grpc.aio
import httpx
import pytest

from differ.api.app import create_app
from differ.api.diffs import Diffs
from differ.api.entrance import entrance
from differ.api.fresh import NOT_AT_ALL, Age
from differ.api.notes import RuleNotes
from differ.api.process import CONNECTION_S, announce, grpc_server
from differ.api.service import DEFAULT_GATE, ReportService
from differ.api.settings import ApiSettings
from differ.api.snapshots import Snapshots
from differ.api.watching import Pace
from differ.core.policy import Policy
from differ.store.decisions import Decisions
from differ.store.evidence import Evidence
from differ.store.examples import Examples
from differ.store.reviews import Reviews
from mirrordiff.process.http import serve
from mirrordiff.process.redis import Client
from mirrordiff.process.settings import Address
from mirrordiff.v1.report_service_pb2_grpc import ReportServiceStub
from tests.api.seeding import START_US

if TYPE_CHECKING:
    from mirrordiff.v1.report_service_pb2_grpc import ReportServiceAsyncStub


@dataclass
class Api:
    """A running API: a client for each of its two sides."""

    http: httpx.AsyncClient
    stub: ReportServiceAsyncStub
    channel: grpc.aio.Channel
    address: Address
    service: ReportService
    grpc_address: Address


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def running(
    redis: Client,
    policy: Policy | None = None,
    *,
    trust: ssl.SSLContext | Literal[True] = True,
    credentials: grpc.ChannelCredentials | None = None,
    age: Age = NOT_AT_ALL,
    connection_s: float = CONNECTION_S,
    **given: Any,
) -> AsyncIterator[Api]:
    """Both servers, in this event loop. The clock stands eleven minutes after the seeds' start.

    ``given`` are further settings; ``trust`` and ``credentials`` are the clients' where those are TLS;
    ``connection_s`` is for how long a gRPC connection may last.
    """
    evidence = Evidence(redis)
    snapshots = Snapshots(
        evidence,
        Decisions(redis),
        {DEFAULT_GATE: policy or Policy()},
        RuleNotes(None),
        Reviews(redis),
        lambda: START_US / 1_000_000 + 660,
        public_url="https://diff.example",
        age=age,
    )
    pace = Pace(every_s=0.02, heartbeat_s=0.2)
    service = ReportService(evidence, Diffs(Examples(redis), age), snapshots, pace)

    async def ready() -> str:
        return ""

    settings = ApiSettings(
        api_grpc=Address("127.0.0.1", free_port()), api_http=Address("127.0.0.1", free_port()), **given
    )
    entered = entrance(settings)
    server, checks = grpc_server(service, settings, entered, connection_s)
    await announce(checks)
    await server.start()
    async with (
        serve(create_app(service, ready, entered), settings.api_http, secured=entered.tls),
        httpx.AsyncClient(
            base_url=f"{'https' if entered.tls else 'http'}://{settings.api_http}", verify=trust
        ) as client,
        _channel(settings, credentials) as channel,
    ):
        stub: ReportServiceAsyncStub = ReportServiceStub(channel)
        yield Api(client, stub, channel, settings.api_http, service, settings.api_grpc)
        service.close()
    await server.stop(0)


def _channel(settings: ApiSettings, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(str(settings.api_grpc))
    return grpc.aio.secure_channel(str(settings.api_grpc), credentials)


@pytest.fixture
async def api(redis: Client) -> AsyncIterator[Api]:
    """The API with the default policy."""
    async with running(redis) as started:
        yield started
