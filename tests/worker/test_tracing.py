"""A worker's traces, as a real OTLP receiver gets them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from structlog.testing import capture_logs

from differ.local.ports import free_ports
from differ.worker.tracing import MOST_LINKS, tracing
from tests.captures import Half, write
from tests.processes import worker
from tests.worker.test_worker import all_judged

SECRET = "s3cr3t-value"


@dataclass
class Receiver(TraceServiceServicer):
    """What was exported, as it came."""

    endpoint: str
    received: list[ResourceSpans] = field(default_factory=list)

    async def Export(  # noqa: N802 - the method's name
        self, request: ExportTraceServiceRequest, context: Any
    ) -> ExportTraceServiceResponse:
        self.received += request.resource_spans
        return ExportTraceServiceResponse()

    def spans(self) -> list[Span]:
        return [span for each in self.received for scope in each.scope_spans for span in scope.spans]


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    server, receiver = grpc.aio.server(), Receiver(f"http://{address}")
    add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(address)
    await server.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    yield receiver
    await server.stop(0)


def values(attributes: Any) -> dict[str, object]:
    return {each.key: each.value.string_value or each.value.int_value for each in attributes}


def halves(number: int, shadow: object, flags: str = "01") -> list[Half]:
    """A pair whose two requests are two spans of one trace."""
    body = {"n": number, "kept": SECRET}
    return [
        Half(number, role, answer, traceparent=f"00-{number + 1:032x}-{span:016x}-{flags}")
        for role, answer, span in (
            ("primary", body, 2 * number + 1),
            ("shadow", shadow or body, 2 * number + 2),
        )
    ]


async def test_a_batch_links_the_requests_that_differ(
    redis: Any, redis_url: str, tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    await write(redis, [*halves(1, {"n": SECRET}), *halves(2, None), *halves(3, {"n": 0}), Half(4, "shadow")])
    with worker(redis_url, tmp_path, reclaim_after=30) as process:
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    spans = receiver.spans()
    assert {(span.name, span.kind) for span in spans} == {("process md:{p}:ready", Span.SPAN_KIND_CONSUMER)}
    assert all(span.start_time_unix_nano < span.end_time_unix_nano for span in spans)
    told = [values(span.attributes) for span in spans]
    assert sum(int(str(each["messaging.batch.message_count"])) for each in told) == 3
    assert {each["messaging.operation.type"] for each in told} == {"process"}
    assert sum(int(str(each.get("mirrordiff.different", 0))) for each in told) == 2
    assert sum(int(str(each.get("mirrordiff.same", 0))) for each in told) == 1
    links = {
        (
            int.from_bytes(link.trace_id, "big"),
            int.from_bytes(link.span_id, "big"),
            *values(link.attributes).values(),
        )
        for span in spans
        for link in span.links
    }
    assert links == {
        (2, 3, "primary", "orders"),
        (2, 4, "shadow", "orders"),
        (4, 7, "primary", "orders"),
        (4, 8, "shadow", "orders"),
    }
    resource = values(receiver.received[0].resource.attributes)
    assert resource["service.name"] == "mirrordiff-worker"
    assert resource["deployment.environment.name"] == "test"
    everything = b"".join(each.SerializeToString() for each in receiver.received)
    assert SECRET.encode() not in everything
    assert b"/orders/" not in everything


async def test_links_are_bounded_and_whole(
    redis: Any, redis_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    await write(redis, [half for number in range(200) for half in halves(number, {"n": -1})])
    with worker(redis_url, tmp_path, reclaim_after=30) as process:
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    spans = receiver.spans()
    counts = [len(span.links) for span in spans]
    assert max(counts) == MOST_LINKS
    assert all(count % 2 == 0 for count in counts)
    assert sum(int(str(values(span.attributes)["mirrordiff.different"])) for span in spans) == 200


async def test_a_receiver_that_is_away_stands_in_nobodys_way(
    redis: Any, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_ports(1)[0]}")
    await write(redis, halves(1, {}))
    with worker(redis_url, tmp_path) as process:
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    assert "traces_on" in process.said()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "judge"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_TRACES_EXPORTER": "none"}, []),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            },
            ["traces_off"],
        ),
    ],
    ids=["nothing set", "no endpoint", "no exporter", "over HTTP"],
)
def test_nothing_is_traced_unasked(variables: dict[str, str], said: list[str]) -> None:
    with capture_logs() as events:
        off = tracing(variables, "a-worker")
    assert [event["event"] for event in events] == said
    with off.batch(1) as came_to:
        came_to([])
    assert not off.on
