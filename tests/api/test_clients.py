"""Clients as others make them: generated from the .proto files that are installed, and from reflection."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import grpc
import grpc_tools  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import mirrordiff
from mirrordiff.process.redis import Client
from tests.api.conftest import Api
from tests.api.seeding import Seed, planted

PROTO = Path(mirrordiff.__file__).parent.parent

GENERATED = """
import sys, grpc
from mirrordiff.v1 import report_service_pb2 as messages, report_service_pb2_grpc as service
assert messages.__file__.startswith(sys.argv[2]), messages.__file__
session = "services/orders/sessions/v2"
with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = service.ReportServiceStub(channel)
    print(stub.GetVerdict(messages.GetVerdictRequest(name="services/orders/gates/default")).verdict)
    full = messages.ListDiffsRequest(parent=session, page_size=1, view=messages.VIEW_FULL)
    print(stub.ListDiffs(full).diffs[0].primary.status)
    print(next(stub.WatchVerdict(messages.WatchVerdictRequest(name=session))).verdict.verdict)
    try:
        stub.GetSession(messages.GetSessionRequest(name="services/orders/sessions/v9"))
    except grpc.RpcError as error:
        print(error.code().name)
"""


async def run(*command: str, **environ: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environ},
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return said


async def test_a_client_generated_from_what_is_installed(api: Api, redis: Client, tmp_path: Path) -> None:
    await planted(Seed(), pairs=360).write(redis)
    files = [str(file.relative_to(PROTO)) for file in (PROTO / "mirrordiff" / "v1").glob("*.proto")]
    await run(
        *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTO}"),
        f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
        *(f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}", *files),
    )
    for package in ("mirrordiff", "mirrordiff/v1"):
        (tmp_path / package / "__init__.py").touch()
    said = await run(
        *(sys.executable, "-c", GENERATED, str(api.grpc_address), str(tmp_path)), PYTHONPATH=str(tmp_path)
    )
    assert said.split() == ["FAIL", "200", "FAIL", "NOT_FOUND"]


async def test_a_client_that_knows_nothing_but_the_address(api: Api, redis: Client) -> None:
    await planted(Seed(), pairs=360).write(redis)
    found = await asyncio.to_thread(_reflected, str(api.grpc_address))
    assert found["services"] >= {"mirrordiff.v1.ReportService", "grpc.health.v1.Health"}
    document = (await api.http.get("/v1/services/orders/gates/default/verdict")).json()
    assert found["verdict"]["verdict"] == document["verdict"] == "FAIL"
    codes = [[reason["code"] for reason in each["reasons"]] for each in (found["verdict"], document)]
    assert codes[0] == codes[1] != []


def _reflected(address: str) -> dict[str, Any]:
    """What a tool such as grpcurl does: it asks what there is, makes messages of it, and calls by JSON."""
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        service = DescriptorPool(database).FindServiceByName("mirrordiff.v1.ReportService")
        method = service.methods_by_name["GetVerdict"]
        call: Any = channel.unary_unary(
            f"/{service.full_name}/{method.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        request = ParseDict({"name": "services/orders/gates/default"}, GetMessageClass(method.input_type)())
        return {"services": set(database.get_services()), "verdict": MessageToDict(call(request))}
