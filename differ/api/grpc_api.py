"""The gRPC API: each method asks the service layer and puts the answer into a message."""

# ruff: noqa: N802, ARG002  # gRPC names the methods and passes a context
from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, Protocol, TypeAlias

import grpc
from google.protobuf.empty_pb2 import Empty

from differ.api.errors import InvalidArgument, Reason, Violation
from differ.api.messages import Name, bad_name, message_of
from differ.api.paging import PageRequest
from differ.api.query import Query
from differ.api.reviewing import Reviewing, Wish
from differ.api.service import DEFAULT_GATE, ReportService, View
from differ.core.document import Document
from mirrordiff.v1 import report_pb2 as report
from mirrordiff.v1 import report_service_pb2 as messages
from mirrordiff.v1.report_service_pb2_grpc import ReportServiceServicer

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

SERVICE: Final = Name("services/{service}")
SESSION: Final = Name("services/{service}/sessions/{session}")
ENDPOINT: Final = Name("services/{service}/sessions/{session}/endpoints/{endpoint}")
SIGNATURE: Final = Name("services/{service}/sessions/{session}/signatures/{signature}")
TREND: Final = Name("services/{service}/sessions/{session}/trend")
DIFF: Final = Name("services/{service}/sessions/{session}/diffs/{diff}")
REVIEW: Final = Name("services/{service}/reviews/{review}")
GATE: Final = Name("services/{service}/gates/{gate}")


class _List(Protocol):
    page_size: int
    page_token: str
    filter: str
    order_by: str


class GrpcApi(ReportServiceServicer):
    """The methods of ``mirrordiff.v1.ReportService``. Errors become statuses in `differ.api.guard`."""

    def __init__(self, service: ReportService) -> None:
        self._service = service
        self._reviewing = Reviewing(service)

    async def ListServices(
        self, request: messages.ListServicesRequest, context: Context
    ) -> messages.ListServicesResponse:
        page = await self._service.services(*_wanted(request))
        return messages.ListServicesResponse(
            services=[message_of(each, report.Service) for each in page.items],
            next_page_token=page.next_token,
            total_size=page.total,
        )

    async def GetService(self, request: messages.GetServiceRequest, context: Context) -> report.Service:
        return message_of(await self._service.service(*SERVICE.ids(request.name)), report.Service)

    async def ListSessions(
        self, request: messages.ListSessionsRequest, context: Context
    ) -> messages.ListSessionsResponse:
        (service,) = SERVICE.ids(request.parent, "parent")
        page = await self._service.sessions(service, *_wanted(request))
        return messages.ListSessionsResponse(
            sessions=[message_of(each, report.Session) for each in page.items],
            next_page_token=page.next_token,
            total_size=page.total,
        )

    async def GetSession(self, request: messages.GetSessionRequest, context: Context) -> report.Session:
        service, session = SESSION.ids(request.name)
        return message_of(await self._service.session(service, session), report.Session)

    async def ListEndpoints(
        self, request: messages.ListEndpointsRequest, context: Context
    ) -> messages.ListEndpointsResponse:
        service, session = SESSION.ids(request.parent, "parent")
        view = _view(request.view, View.BASIC)
        page = await self._service.endpoints(service, session, *_wanted(request), view)
        return messages.ListEndpointsResponse(
            endpoints=[message_of(each, report.Endpoint) for each in page.items],
            next_page_token=page.next_token,
            total_size=page.total,
        )

    async def GetEndpoint(self, request: messages.GetEndpointRequest, context: Context) -> report.Endpoint:
        service, session, endpoint = ENDPOINT.ids(request.name)
        return message_of(await self._service.endpoint(service, session, endpoint), report.Endpoint)

    async def ListSignatures(
        self, request: messages.ListSignaturesRequest, context: Context
    ) -> messages.ListSignaturesResponse:
        service, session = SESSION.ids(request.parent, "parent")
        page = await self._service.signatures(service, session, *_wanted(request))
        return messages.ListSignaturesResponse(
            signatures=[message_of(each, report.Signature) for each in page.items],
            next_page_token=page.next_token,
            total_size=page.total,
        )

    async def GetSignature(self, request: messages.GetSignatureRequest, context: Context) -> report.Signature:
        service, session, signature = SIGNATURE.ids(request.name)
        return message_of(await self._service.signature(service, session, signature), report.Signature)

    async def GetTrend(self, request: messages.GetTrendRequest, context: Context) -> report.Trend:
        return message_of(await self._service.trend(*TREND.ids(request.name)), report.Trend)

    async def ListDiffs(
        self, request: messages.ListDiffsRequest, context: Context
    ) -> messages.ListDiffsResponse:
        service, session = SESSION.ids(request.parent, "parent")
        view = _view(request.view, View.BASIC)
        page = await self._service.diffs(service, session, *_wanted(request), view)
        return messages.ListDiffsResponse(
            diffs=[message_of(each, report.Diff) for each in page.items],
            next_page_token=page.next_token,
            total_size=page.total,
        )

    async def GetDiff(self, request: messages.GetDiffRequest, context: Context) -> report.Diff:
        service, session, diff = DIFF.ids(request.name)
        view = _view(request.view, View.FULL)
        return message_of(await self._service.diff(service, session, diff, view), report.Diff)

    async def ListReviews(
        self, request: messages.ListReviewsRequest, context: Context
    ) -> messages.ListReviewsResponse:
        (service,) = SERVICE.ids(request.parent, "parent")
        page = await self._reviewing.page(service, *_wanted(request))
        return messages.ListReviewsResponse(
            reviews=[message_of(each, report.Review) for each in page.items],
            next_page_token=page.next_token,
            total_size=page.total,
        )

    async def CreateReview(self, request: messages.CreateReviewRequest, context: Context) -> report.Review:
        (service,) = SERVICE.ids(request.parent, "parent")
        wish = Wish(
            signature=request.signature,
            action=request.action,
            note=request.note,
            by=request.by,
            until=request.until,
            candidate=request.candidate,
        )
        return message_of(await self._reviewing.create(service, wish), report.Review)

    async def DeleteReview(self, request: messages.DeleteReviewRequest, context: Context) -> Empty:
        await self._reviewing.delete(*REVIEW.ids(request.name))
        return Empty()

    async def GetVerdict(self, request: messages.GetVerdictRequest, context: Context) -> report.Verdict:
        return message_of(await self._verdict(request), report.Verdict)

    async def WatchVerdict(
        self, request: messages.WatchVerdictRequest, context: Context
    ) -> AsyncIterator[messages.WatchVerdictResponse]:
        async for change in self._service.watch(lambda: self._verdict(request), request.resume_token):
            verdict = None if change.verdict is None else message_of(change.verdict, report.Verdict)
            yield messages.WatchVerdictResponse(verdict=verdict, resume_token=change.token)

    async def _verdict(self, request: messages.GetVerdictRequest | messages.WatchVerdictRequest) -> Document:
        ids = GATE.match(request.name)
        if ids is not None:
            return await self._service.gate_verdict(ids[0], ids[1], request.candidate)
        ids = SESSION.match(request.name)
        if ids is None:
            raise bad_name("name", SESSION.template, GATE.template)
        return await self._service.verdict(ids[0], ids[1], request.gate or DEFAULT_GATE)


def _wanted(request: _List) -> tuple[PageRequest, Query]:
    return PageRequest(request.page_size, request.page_token), Query(request.filter, request.order_by)


def _view(number: int, default: View) -> View:
    match number:
        case messages.VIEW_UNSPECIFIED:
            return default
        case messages.VIEW_BASIC:
            return View.BASIC
        case messages.VIEW_FULL:
            return View.FULL
        case _:
            raise InvalidArgument(Reason.INVALID_ARGUMENT, Violation("view", "write BASIC or FULL"))
