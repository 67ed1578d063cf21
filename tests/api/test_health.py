"""What orchestrators and tools ask: health, reflection, metrics."""

from __future__ import annotations

from typing import Any, cast

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from mirrordiff.process.redis import Client
from tests.api.conftest import Api
from tests.api.seeding import Seed, planted


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_health_over_http(api: Api, path: str) -> None:
    answer = await api.http.get(path)
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize("name", ["liveness", "readiness", "mirrordiff.v1.ReportService"])
async def test_health_over_grpc(api: Api, name: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(api.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_tools_find_the_methods_by_reflection(api: Api) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast("Any", api.channel))
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol="mirrordiff.v1.ReportService")
    call = stub.ServerReflectionInfo(iter([request]))
    files = [
        FileDescriptorProto.FromString(raw)
        async for answer in call
        for raw in answer.file_descriptor_response.file_descriptor_proto
    ]
    methods = {method.name for file in files for service in file.service for method in service.method}
    assert {"ListSignatures", "GetDiff", "WatchVerdict"} <= methods


async def test_metrics_count_what_was_judged(api: Api, redis: Client) -> None:
    await planted(Seed(), pairs=120).write(redis)
    text = (await api.http.get("/metrics")).text
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    pairs = sum(value for (name, *_), value in samples.items() if name == "mirrordiff_pairs_total")
    assert pairs == 120 + 40 + 40
    assert samples["mirrordiff_gate_verdict", "default", "orders"] == -1
    assert samples["mirrordiff_store_up",] == 1
    assert "mirrordiff_stream_lag_pairs" in text
