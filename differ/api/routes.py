"""The HTTP API: the same resources as gRPC's, under ``/v1``. A route asks the service layer, no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import Field

from differ.api.paging import Page
from differ.api.parameters import (
    CandidateParameters,
    GateParameters,
    Id,
    ListParameters,
    NoParameters,
    ServiceId,
    SessionId,
    ViewParameters,
)
from differ.api.problems import MEDIA_TYPE
from differ.api.report_resources import Endpoint, Signature, Trend
from differ.api.resources import Diff, Resource, Service, Session
from differ.api.service import ReportService
from differ.api.verdicts import Verdict
from differ.core.document import Document

Item = TypeVar("Item", bound=Resource)

Lists = Annotated[ListParameters, Query()]
Views = Annotated[ViewParameters, Query()]
Gates = Annotated[GateParameters, Query()]
Candidates = Annotated[CandidateParameters, Query()]
Nothing = Annotated[NoParameters, Query()]


class ResourceList(Resource, Generic[Item]):
    """One page of a list."""

    next_page_token: str
    total_size: int


class ServiceList(ResourceList[Service]):
    """Services, last seen first."""

    services: list[Service]


class SessionList(ResourceList[Session]):
    """Sessions, last seen first."""

    sessions: list[Session]


class EndpointList(ResourceList[Endpoint]):
    """Endpoints, ranked by what a caller would notice."""

    endpoints: list[Endpoint]


class SignatureList(ResourceList[Signature]):
    """Signatures, the worst first."""

    signatures: list[Signature]


class DiffList(ResourceList[Diff]):
    """Kept diffs, newest first."""

    diffs: list[Diff]


class Problem(Resource):
    """An error (RFC 9457). ``reason`` is the stable word to compare; gRPC gives the same one."""

    type: str
    title: str
    status: int
    detail: str
    reason: str
    domain: str
    metadata: dict[str, str] = Field(default_factory=dict)
    errors: list[dict[str, str]] = Field(default_factory=list)


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": words, "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}
    for status, words in (
        (400, "A parameter cannot be used"),
        (401, "No token, or an unknown one"),
        (403, "A token without the scope needed"),
        (404, "No such resource"),
        (413, "The request is too long"),
        (503, "The store does not answer"),
    )
}
PROBLEMS |= {422: {"description": "Not used; 400 says which parameter", "content": {MEDIA_TYPE: {}}}}


def router(service: ReportService) -> APIRouter:
    """The routes of the API."""
    routes = APIRouter(prefix="/v1", responses=PROBLEMS)
    _register(routes, service)
    _evidence(routes, service)
    _verdicts(routes, service)
    return routes


_BELOW = "/services/{service_id}/sessions/{session_id}"


def _register(routes: APIRouter, service: ReportService) -> None:

    @routes.get("/services", response_model=ServiceList)
    async def list_services(request: Request, parameters: Lists) -> Response:
        page = await service.services(parameters.page, parameters.query)
        return paged(request, ServiceList, "services", page)

    @routes.get("/services/{service_id}", response_model=Service)
    async def get_service(service_id: ServiceId, _: Nothing) -> Response:
        return one(await service.service(service_id))

    @routes.get("/services/{service_id}/sessions", response_model=SessionList)
    async def list_sessions(request: Request, service_id: ServiceId, parameters: Lists) -> Response:
        page = await service.sessions(service_id, parameters.page, parameters.query)
        return paged(request, SessionList, "sessions", page)

    @routes.get(_BELOW, response_model=Session)
    async def get_session(service_id: ServiceId, session_id: SessionId, _: Nothing) -> Response:
        return one(await service.session(service_id, session_id))


def _evidence(routes: APIRouter, service: ReportService) -> None:
    @routes.get(f"{_BELOW}/endpoints", response_model=EndpointList)
    async def list_endpoints(
        request: Request, service_id: ServiceId, session_id: SessionId, parameters: Views
    ) -> Response:
        page = await service.endpoints(
            service_id, session_id, parameters.page, parameters.query, parameters.view
        )
        return paged(request, EndpointList, "endpoints", page)

    @routes.get(f"{_BELOW}/endpoints/{{endpoint_id}}", response_model=Endpoint)
    async def get_endpoint(
        service_id: ServiceId, session_id: SessionId, endpoint_id: Id, _: Nothing
    ) -> Response:
        return one(await service.endpoint(service_id, session_id, endpoint_id))

    @routes.get(f"{_BELOW}/signatures", response_model=SignatureList)
    async def list_signatures(
        request: Request, service_id: ServiceId, session_id: SessionId, parameters: Lists
    ) -> Response:
        page = await service.signatures(service_id, session_id, parameters.page, parameters.query)
        return paged(request, SignatureList, "signatures", page)

    @routes.get(f"{_BELOW}/signatures/{{signature_id}}", response_model=Signature)
    async def get_signature(
        service_id: ServiceId, session_id: SessionId, signature_id: Id, _: Nothing
    ) -> Response:
        return one(await service.signature(service_id, session_id, signature_id))

    @routes.get(f"{_BELOW}/trend", response_model=Trend)
    async def get_trend(service_id: ServiceId, session_id: SessionId, _: Nothing) -> Response:
        return one(await service.trend(service_id, session_id))

    @routes.get(f"{_BELOW}/diffs", response_model=DiffList)
    async def list_diffs(
        request: Request, service_id: ServiceId, session_id: SessionId, parameters: Views
    ) -> Response:
        page = await service.diffs(service_id, session_id, parameters.page, parameters.query, parameters.view)
        return paged(request, DiffList, "diffs", page)

    @routes.get(f"{_BELOW}/diffs/{{diff_id}}", response_model=Diff)
    async def get_diff(service_id: ServiceId, session_id: SessionId, diff_id: Id, _: Nothing) -> Response:
        return one(await service.diff(service_id, session_id, diff_id))


def _verdicts(routes: APIRouter, service: ReportService) -> None:
    @routes.get(f"{_BELOW}/verdict", response_model=Verdict)
    async def get_verdict(
        service_id: ServiceId,
        session_id: SessionId,
        parameters: Gates,
        if_none_match: Annotated[str, Header()] = "",
    ) -> Response:
        return _tagged(await service.verdict(service_id, session_id, parameters.gate), if_none_match)

    @routes.get("/services/{service_id}/gates/{gate_id}/verdict", response_model=Verdict)
    async def get_gate_verdict(
        service_id: ServiceId,
        gate_id: Id,
        parameters: Candidates,
        if_none_match: Annotated[str, Header()] = "",
    ) -> Response:
        verdict = await service.gate_verdict(service_id, gate_id, parameters.candidate)
        return _tagged(verdict, if_none_match)


def one(resource: Resource) -> Response:
    return Response(resource.model_dump_json(), media_type="application/json", headers=_FRESH)


_FRESH = {"Cache-Control": "no-cache"}


def paged(
    request: Request, model: Callable[..., ResourceList[Item]], name: str, page: Page[Item]
) -> Response:
    """A page of a list, with a link to the next one (RFC 8288)."""
    listed = model(**{name: list(page.items)}, next_page_token=page.next_token, total_size=page.total)
    headers = dict(_FRESH)
    if page.next_token:
        parameters = {**request.query_params, "pageToken": page.next_token}
        headers["Link"] = f'<{request.url.path}?{urlencode(parameters)}>; rel="next"'
    return Response(listed.model_dump_json(), media_type="application/json", headers=headers)


def _tagged(verdict: Document, if_none_match: str) -> Response:
    """A verdict with its tag; 304 where the caller has it already."""
    tag = str(verdict["etag"])
    headers = {**_FRESH, "ETag": tag}
    known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    # A candidate with a thousand signatures has a verdict of some 300 KB, and gates poll.
    return Response(msgspec.json.encode(verdict), media_type="application/json", headers=headers)
