"""Doors for pipelines that have their own way of asking. One verdict is behind all of them.

Flagger asks four questions and reads status codes alone, each question with another meaning:

========= ======== =================== ===============
hook      PASS     INCONCLUSIVE        FAIL
========= ======== =================== ===============
check     200      200 (go on)         409 (a failed check)
promote   200      412 (wait)          409
rollback  409      409                 200 (roll back!)
event     200      200                 200
========= ======== =================== ===============

It drops the body of 5xx answers and counts 204 as a failure, so neither is ever sent. ``rollback``
answers 200 for FAIL and nothing else: not for a request that cannot be read, not for a gate that is
not there.

Spinnaker starts an evaluation by POST and polls ``statusUrl`` until ``status`` is PASS, FAIL or
INCONCLUSIVE. An evaluation is nothing kept: its address holds the candidate and when it began, and it
ends INCONCLUSIVE once the policy's deadline has passed since.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from differ.api.errors import ApiError
from differ.api.messages import Name
from differ.api.parameters import CandidateParameters, Id, ServiceId
from differ.api.routes import PROBLEMS
from differ.api.service import DEFAULT_GATE, ReportService
from differ.core.document import Document
from mirrordiff.redis_keys import resource_id

GATE: Final = Name("services/{service}/gates/{gate}")


class Hook(StrEnum):
    """What Flagger asks."""

    CHECK = "check"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


_CODES: Final = {
    Hook.CHECK: {"PASS": 200, "INCONCLUSIVE": 200, "FAIL": 409},
    Hook.PROMOTE: {"PASS": 200, "INCONCLUSIVE": 412, "FAIL": 409},
    Hook.ROLLBACK: {"PASS": 409, "INCONCLUSIVE": 409, "FAIL": 200},
}


class Canary(BaseModel):
    """What Flagger sends. ``metadata`` may name the ``gate`` and the ``candidate``."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field("", max_length=256)
    metadata: dict[str, str] = Field(default_factory=dict)

    def gate(self) -> tuple[str, str]:
        """Service and gate: those in the metadata, else the canary's name and the default gate."""
        named = self.metadata.get("gate")
        if named:
            service, gate = GATE.ids(named, "metadata.gate")
            return service, gate
        return resource_id(self.name), DEFAULT_GATE


class EvaluationParameters(CandidateParameters):
    """Which evaluation: of which candidate, and begun when (seconds since the Unix epoch)."""

    begun: int = Field(0, ge=0, le=2**40)


def router(service: ReportService) -> APIRouter:
    """The routes of the hooks."""
    routes = APIRouter(responses=PROBLEMS)

    @routes.post("/hooks/flagger/event", response_class=PlainTextResponse)
    async def event() -> Response:
        # Sessions open by themselves with the first capture of a candidate: nothing is to be done.
        return PlainTextResponse("noted\n")

    @routes.post(
        "/hooks/flagger/{hook}",
        response_class=PlainTextResponse,
        responses={
            409: {"description": "FAIL; for rollback anything else"},
            412: {"description": "Not enough evidence"},
        },
    )
    async def flagger(hook: Hook, canary: Annotated[Canary, Body()]) -> Response:
        try:
            service_id, gate = canary.gate()
            verdict = await service.gate_verdict(service_id, gate, canary.metadata.get("candidate", ""))
        except ApiError as error:
            return PlainTextResponse(f"{error.status.title}: {error.detail}\n", _refusal(error))
        return PlainTextResponse(_line(verdict), _CODES[hook][str(verdict["verdict"])])

    @routes.post("/v1/services/{service_id}/gates/{gate_id}:evaluate")
    async def evaluate(
        request: Request,
        service_id: ServiceId,
        gate_id: Id,
        parameters: Annotated[CandidateParameters, Query()],
    ) -> JSONResponse:
        begun = service.snapshots.now_us() // 1_000_000
        verdict = await service.gate_verdict(service_id, gate_id, parameters.candidate)
        # The candidate is pinned: one that comes later must not answer for the one asked about.
        candidate = parameters.candidate or str(verdict["candidate"])
        return _evaluation(service, request, (service_id, gate_id), candidate, begun, verdict)

    @routes.get("/v1/services/{service_id}/gates/{gate_id}/evaluation")
    async def evaluation(
        request: Request,
        service_id: ServiceId,
        gate_id: Id,
        parameters: Annotated[EvaluationParameters, Query()],
    ) -> JSONResponse:
        verdict = await service.gate_verdict(service_id, gate_id, parameters.candidate)
        candidate = parameters.candidate
        return _evaluation(service, request, (service_id, gate_id), candidate, parameters.begun, verdict)

    return routes


def _refusal(error: ApiError) -> int:
    """The status of an error, below 500: Flagger tries those again and drops what they say."""
    return error.status.http if error.status.http < 500 else 424


def _line(verdict: Document) -> str:
    """One line for the release tool's events, and where to look."""
    uri = str(verdict["reportUri"])
    return f"{verdict['summary']}\n{uri}\n" if uri.startswith("http") else f"{verdict['summary']}\n"


def _evaluation(
    service: ReportService,
    request: Request,
    gate: tuple[str, str],
    candidate: str,
    begun: int,
    verdict: Document,
) -> JSONResponse:
    word = str(verdict["verdict"])
    elapsed = service.snapshots.now_us() / 1_000_000 - begun
    running = word == "INCONCLUSIVE" and elapsed < service.snapshots.gates[gate[1]].deadline
    pairs, need = int(str(verdict["pairs"])), verdict["needEstimate"]
    wanted = f"{pairs + need}" if isinstance(need, int) else "?"
    name = f"services/{gate[0]}/gates/{gate[1]}"
    address = request.url_for("evaluation", service_id=gate[0], gate_id=gate[1])
    return JSONResponse(
        {
            "name": f"{name}/evaluation",
            "status": "RUNNING" if running else word,
            "progress": f"{pairs}/{wanted} pairs" if running else str(verdict["summary"]),
            "statusUrl": str(address.include_query_params(candidate=candidate, begun=begun)),
            "verdict": verdict,
        }
    )
