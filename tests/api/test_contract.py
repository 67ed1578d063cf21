"""Both APIs give the same answers, errors included, and each answer is what its description says."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import quote

import grpc
import httpx
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from pydantic.alias_generators import to_camel

from differ.api.errors import DOMAIN
from differ.api.verdicts import Verdict
from mirrordiff.process.redis import Client
from mirrordiff.v1 import report_pb2 as report
from mirrordiff.v1 import report_service_pb2 as messages
from tests.api.conftest import Api
from tests.api.seeding import Seed, planted

SESSION = "services/orders/sessions/v2"


@pytest.fixture
async def seeded(redis: Client) -> None:
    await planted(Seed(), pairs=90).write(redis)
    older = Seed(candidate="v1.9", started_us=Seed().started_us - 3_600_000_000)
    older.same(20)
    await older.write(redis)


async def fetched(api: Api, path: str, **parameters: str | int) -> Any:
    answer = await api.http.get(f"/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def as_message(document: Any, kind: type[Message]) -> Message:
    return ParseDict(document, kind())


@pytest.mark.usefixtures("seeded")
async def test_every_resource_is_the_same_on_both(api: Api) -> None:
    stub = api.stub
    service = await stub.GetService(messages.GetServiceRequest(name="services/orders"))
    assert as_message(await fetched(api, "services/orders"), report.Service) == service
    session = await stub.GetSession(messages.GetSessionRequest(name=SESSION))
    assert as_message(await fetched(api, SESSION), report.Session) == session
    verdict = await stub.GetVerdict(messages.GetVerdictRequest(name=SESSION))
    assert as_message(await fetched(api, f"{SESSION}/verdict"), report.Verdict) == verdict

    endpoints = await stub.ListEndpoints(
        messages.ListEndpointsRequest(parent=SESSION, view=messages.VIEW_FULL)
    )
    document = await fetched(api, f"{SESSION}/endpoints", view="FULL")
    assert as_message(document, messages.ListEndpointsResponse) == endpoints
    assert [each.endpoint for each in endpoints.endpoints] == [
        "POST /orders/{id}/refund", "GET /orders/{id}", "GET /health",
    ]  # fmt: skip
    one = await stub.GetEndpoint(messages.GetEndpointRequest(name=endpoints.endpoints[1].name))
    assert one == endpoints.endpoints[1]
    assert as_message(await fetched(api, one.name), report.Endpoint) == one

    signatures = await stub.ListSignatures(messages.ListSignaturesRequest(parent=SESSION))
    assert (
        as_message(await fetched(api, f"{SESSION}/signatures"), messages.ListSignaturesResponse) == signatures
    )
    first = signatures.signatures[0]
    assert (first.field, first.detail, first.risk) == ("status", "200→500", "high")
    assert await stub.GetSignature(messages.GetSignatureRequest(name=first.name)) == first
    assert as_message(await fetched(api, first.name), report.Signature) == first

    trend = await stub.GetTrend(messages.GetTrendRequest(name=f"{SESSION}/trend"))
    assert as_message(await fetched(api, trend.name), report.Trend) == trend
    assert sum(point.compared for point in trend.points) == sum(
        each.raw.total for each in endpoints.endpoints
    )
    for each in endpoints.endpoints:
        over_time = sum(point.different_by_endpoint[each.endpoint] for point in trend.points)
        assert over_time == each.differ.count

    diff = await stub.GetDiff(messages.GetDiffRequest(name=first.diffs[0]))
    assert as_message(await fetched(api, first.diffs[0]), report.Diff) == diff
    assert (diff.primary.status, diff.shadow.status) == (200, 500)
    assert diff.shadow.text == '{"error": "division by zero"}'


@pytest.mark.usefixtures("seeded")
async def test_lists_page_alike_and_completely(api: Api) -> None:
    token, http_names, grpc_names = "", [], []
    while True:
        document = await fetched(api, f"{SESSION}/diffs", pageSize=3, pageToken=token)
        page = await api.stub.ListDiffs(
            messages.ListDiffsRequest(parent=SESSION, page_size=3, page_token=token)
        )
        assert as_message(document, messages.ListDiffsResponse) == page
        assert not any(each.HasField("primary") for each in page.diffs)
        http_names += [each["name"] for each in document["diffs"]]
        grpc_names += [each.name for each in page.diffs]
        token = page.next_page_token
        if not token:
            break
    assert len(set(http_names)) == page.total_size > 3
    assert http_names == grpc_names == sorted(grpc_names, reverse=True)


@pytest.mark.usefixtures("seeded")
async def test_the_next_page_is_linked(api: Api) -> None:
    path = f"/v1/{SESSION}/diffs?pageSize=3&view=FULL"
    answer = await api.http.get(path)
    link = answer.links["next"]["url"]
    following = await api.http.get(link)
    assert following.status_code == 200
    assert following.json()["diffs"][0]["primary"]["version"] == "v1"
    assert not {each["name"] for each in following.json()["diffs"]} & {
        each["name"] for each in answer.json()["diffs"]
    }


@pytest.mark.usefixtures("seeded")
async def test_latest_is_the_session_last_seen(api: Api) -> None:
    sessions = await fetched(api, "services/orders/sessions")
    assert [each["candidate"] for each in sessions["sessions"]] == ["v2", "v1.9"]
    latest = await fetched(api, "services/orders/sessions/latest")
    assert latest["name"] == SESSION


@pytest.mark.usefixtures("seeded")
async def test_filters_and_orders(api: Api) -> None:
    async def fields(**wanted: str) -> list[str]:
        listed = await fetched(api, f"{SESSION}/signatures", **wanted)
        request = messages.ListSignaturesRequest(
            parent=SESSION, filter=wanted.get("filter", ""), order_by=wanted.get("orderBy", "")
        )
        assert as_message(listed, messages.ListSignaturesResponse) == await api.stub.ListSignatures(request)
        return [each["field"] for each in listed["signatures"]]

    assert await fields(filter='risk = "high" AND field != "status"') == ["$.refunded", "$.total"]
    assert await fields(filter='endpoint : "refund" AND kind = extra') == ["$.error"]
    assert await fields(filter="pairs >= 4") == ["$.total", "header.cache-control"]
    assert await fields(orderBy="pairs desc, field", filter='risk = "high"') == [
        "$.total", "$.refunded", "status",
    ]  # fmt: skip


@pytest.mark.usefixtures("seeded")
async def test_a_verdict_is_what_its_description_says(api: Api) -> None:
    for path in (f"{SESSION}/verdict", "services/orders/gates/default/verdict"):
        document = await fetched(api, path)
        assert Verdict.model_validate(document).model_dump(exclude_defaults=True)
        assert document["verdict"] == "FAIL"
        assert document["reportUri"] == f"https://diff.example/{SESSION}"


@pytest.fixture
async def there(redis: Client) -> None:
    seed = Seed()
    seed.pair({"a": 1}, {"a": 2})
    await seed.write(redis)


ERRORS = [
    ("services/nothing", messages.GetServiceRequest(name="services/nothing"), 404, "SERVICE_NOT_FOUND"),
    ("services/orders/sessions/v9", messages.GetSessionRequest(name="services/orders/sessions/v9"),
     404, "SESSION_NOT_FOUND"),
    ("services/none/sessions/latest", messages.GetSessionRequest(name="services/none/sessions/latest"),
     404, "SERVICE_NOT_FOUND"),
    (f"{SESSION}/endpoints/abc", messages.GetEndpointRequest(name=f"{SESSION}/endpoints/abc"),
     404, "ENDPOINT_NOT_FOUND"),
    (f"{SESSION}/signatures/abc", messages.GetSignatureRequest(name=f"{SESSION}/signatures/abc"),
     404, "SIGNATURE_NOT_FOUND"),
    (f"{SESSION}/diffs/000", messages.GetDiffRequest(name=f"{SESSION}/diffs/000"), 404, "DIFF_NOT_FOUND"),
    (f"{SESSION}/diffs/zzz", messages.GetDiffRequest(name=f"{SESSION}/diffs/zzz"), 404, "DIFF_NOT_FOUND"),
    ("services/orders/gates/strict/verdict",
     messages.GetVerdictRequest(name="services/orders/gates/strict"), 404, "GATE_NOT_FOUND"),
    (f"{SESSION}/verdict?gate=strict", messages.GetVerdictRequest(name=SESSION, gate="strict"),
     404, "GATE_NOT_FOUND"),
    (f"{SESSION}/diffs?pageToken=nonsense",
     messages.ListDiffsRequest(parent=SESSION, page_token="nonsense"), 400, "INVALID_PAGE_TOKEN"),
    (f"{SESSION}/signatures?pageToken={'A' * 16}",
     messages.ListSignaturesRequest(parent=SESSION, page_token="A" * 16), 400, "INVALID_PAGE_TOKEN"),
    (f"{SESSION}/signatures?filter=color%20%3D%20red",
     messages.ListSignaturesRequest(parent=SESSION, filter="color = red"), 400, "INVALID_FILTER"),
    (f"{SESSION}/signatures?filter=risk%20%3E%20low",
     messages.ListSignaturesRequest(parent=SESSION, filter="risk > low"), 400, "INVALID_FILTER"),
    (f"{SESSION}/signatures?filter=pairs%20%3D%20many",
     messages.ListSignaturesRequest(parent=SESSION, filter="pairs = many"), 400, "INVALID_FILTER"),
    (f"{SESSION}/signatures?filter=pairs%20%3D%201%20OR%20pairs%20%3D%202",
     messages.ListSignaturesRequest(parent=SESSION, filter="pairs = 1 OR pairs = 2"), 400, "INVALID_FILTER"),
    (f"{SESSION}/endpoints?orderBy=charm",
     messages.ListEndpointsRequest(parent=SESSION, order_by="charm"), 400, "INVALID_ORDER_BY"),
    ("services?orderBy=name%20upwards",
     messages.ListServicesRequest(order_by="name upwards"), 400, "INVALID_ORDER_BY"),
    ("services/none/sessions", messages.ListSessionsRequest(parent="services/none"),
     404, "SERVICE_NOT_FOUND"),
    ("services/none/reviews", messages.ListReviewsRequest(parent="services/none"), 404, "SERVICE_NOT_FOUND"),
    ("services/orders/reviews?filter=age%20%3D%201",
     messages.ListReviewsRequest(parent="services/orders", filter="age = 1"), 400, "INVALID_FILTER"),
    ("services/...", messages.GetServiceRequest(name="services/..."), 404, "SERVICE_NOT_FOUND"),
    ("services?pageSize=-1", messages.ListServicesRequest(page_size=-1), 400, "INVALID_PAGE_SIZE"),
    (f"services?pageToken={'x' * 100}",
     messages.ListServicesRequest(page_token="x" * 100), 400, "INVALID_PAGE_TOKEN"),
    (f"{SESSION}/diffs?view=SHORT",
     messages.ListDiffsRequest(parent=SESSION, view=7),  # type: ignore[arg-type]
     400, "INVALID_ARGUMENT"),
]  # fmt: skip


async def refused(api: Api, request: Message) -> tuple[grpc.StatusCode, str, list[str]]:
    """Status, reason and violated fields of an error."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(api.stub, type(request).__name__.removesuffix("Request"))(request)
    return told(caught.value)


def told(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str, list[str]]:
    """As `refused`, of what was raised."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None, error.details()
    info, violations = error_details_pb2.ErrorInfo(), []
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            violations = [each.field for each in bad.field_violations]
    assert info.domain == DOMAIN
    return error.code(), info.reason, violations


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(("path", "request_", "status", "reason"), ERRORS, ids=[row[0] for row in ERRORS])
async def test_errors_have_one_reason_on_both(
    api: Api, path: str, request_: Message, status: int, reason: str
) -> None:
    answer = await api.http.get(f"/v1/{path}")
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["reason"]) == (status, status, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    code, grpc_reason, violations = await refused(api, request_)
    assert grpc_reason == reason
    expected = grpc.StatusCode.NOT_FOUND if status == 404 else grpc.StatusCode.INVALID_ARGUMENT
    assert code is expected
    # Each names a parameter as it is written there.
    assert [each["field"] for each in problem.get("errors", [])] == [to_camel(each) for each in violations]


FILTERS = (
    "NOT method = GET", "-method = GET", "(method = GET)", "method = GET OR method = PUT",
    "method", "method = ", "= GET", 'method = "GET', "method = GET AND", "path = a*, b", "a.b = c",
    "method = GET path = x", "x" * 1001,
)  # fmt: skip
ORDERS = ("path asc asc", "-path", "path,,time", "path; time", "x" * 1001)


@pytest.mark.usefixtures("there")
async def test_what_is_not_in_the_subset_is_refused(api: Api) -> None:
    wanted = [("filter", "filter", text, "INVALID_FILTER") for text in FILTERS]
    wanted += [("orderBy", "order_by", text, "INVALID_ORDER_BY") for text in ORDERS]
    for parameter, field, text, reason in wanted:
        answer = await api.http.get(f"/v1/{SESSION}/diffs", params={parameter: text})
        assert (answer.status_code, answer.json()["reason"]) == (400, reason), text
        request = messages.ListDiffsRequest(parent=SESSION, **{field: text})  # type: ignore[arg-type]
        assert await refused(api, request) == (grpc.StatusCode.INVALID_ARGUMENT, reason, [field]), text


async def test_sizes_that_are_none(api: Api) -> None:
    for size in ("many", "99999999999", "1.5", ""):
        answer = await api.http.get("/v1/services", params={"pageSize": size})
        problem = answer.json()
        assert (answer.status_code, problem["reason"]) == (400, "INVALID_PAGE_SIZE")
        assert problem["errors"][0]["field"] == "pageSize"


async def test_an_empty_list_is_no_error(api: Api) -> None:
    assert (await fetched(api, "services")) == {"services": [], "nextPageToken": "", "totalSize": 0}


@pytest.mark.parametrize(
    "name",
    ["", "orders", "services/", "services/a/b", "services/../x", "services/a b", "services/a\0",
     "services/ü", f"services/{'x' * 129}", "services/{service}"],
)  # fmt: skip
async def test_names_that_are_none(api: Api, name: str) -> None:
    code, reason, violations = await refused(api, messages.GetServiceRequest(name=name))
    assert (code, reason, violations) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_NAME", ["name"])
    if name.count("/") == 1 and not name.endswith("/"):
        answer = await api.http.get(f"/v1/{quote(name)}")
        assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_NAME")


async def test_what_http_does_not_serve(api: Api) -> None:
    answer = await api.http.get("/v1/nothing")
    assert (answer.status_code, answer.json()["reason"]) == (404, "ROUTE_NOT_FOUND")
    answer = await api.http.delete("/v1/services")
    assert (answer.status_code, answer.json()["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET"
    answer = await api.http.get("/v1/services", params={"colour": "red"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_ARGUMENT")
    answer = await api.http.get("/v1/services/a%2Fb")
    assert answer.status_code == 404
    answer = await api.http.put("/v1/services/orders/reviews")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_what_grpc_does_not_serve(api: Api) -> None:
    raw: Any = api.channel.unary_unary

    async def call(method: str, request: bytes) -> tuple[grpc.StatusCode, str, list[str]]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(f"/mirrordiff.v1.{method}")(request)
        return told(caught.value)

    unserved: Any = (grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_ALLOWED", [])
    assert await call("ReportService/DropEverything", b"") == unserved
    assert await call("OtherService/GetVerdict", b"") == unserved
    unreadable = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", ["request"])
    for request in (b"\xff", b"\x0a\x02\xff\xfe", b"\x0a\x7fshort"):
        assert await call("ReportService/GetVerdict", request) == unreadable
    watch: Any = api.channel.unary_stream("/mirrordiff.v1.ReportService/WatchVerdict")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watch(b"\xff").read()
    assert told(caught.value) == unreadable


async def test_fields_that_are_not_known(api: Api) -> None:
    answer = await api.http.post(
        "/v1/services/orders/reviews",
        json={"signature": "x", "action": "expect", "note": "y", "colour": "red"},
    )
    problem = answer.json()
    assert (answer.status_code, problem["reason"]) == (400, "INVALID_ARGUMENT")
    assert [each["field"] for each in problem["errors"]] == ["colour"]
    # Protocol Buffers pass them over: a newer client's.
    stub: Any = api.channel.unary_unary("/mirrordiff.v1.ReportService/ListServices")
    assert await stub(b"\xa2\x06\x03red") == b""


async def test_what_is_too_long_is_refused_and_nobody_else_is_hurt(api: Api) -> None:
    for path in ("/v1/services/orders/reviews", "/hooks/flagger/check"):
        answer = await api.http.post(path, content=b"x" * 70_000)
        assert (answer.status_code, answer.json()["reason"]) == (413, "REQUEST_TOO_LARGE"), path
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.GetService(messages.GetServiceRequest(name="x" * 70_000))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    # The server may hang up before all of it is sent, and then the client hears no answer.
    with contextlib.suppress(httpx.TransportError):
        answer = await api.http.get("/v1/services", headers={"x-huge": "x" * 300_000})
        assert answer.status_code == 400
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.ListServices(messages.ListServicesRequest(), metadata=(("x-huge", "x" * 300_000),))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await api.http.get("/v1/services")).status_code == 200
    assert (await api.stub.ListServices(messages.ListServicesRequest())).total_size == 0


@pytest.mark.usefixtures("seeded")
async def test_a_token_fits_its_request_only(api: Api) -> None:
    token = (await fetched(api, f"{SESSION}/diffs", pageSize=3))["nextPageToken"]
    answer = await api.http.get(f"/v1/{SESSION}/diffs", params={"pageToken": token, "filter": "method = GET"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_PAGE_TOKEN")


@pytest.mark.usefixtures("seeded")
async def test_a_verdict_known_already_is_not_sent_again(api: Api) -> None:
    path = "/v1/services/orders/gates/default/verdict"
    first = await api.http.get(path)
    again = await api.http.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["etag"] == first.json()["etag"]
    other = await api.http.get(path, headers={"if-none-match": '"other"'})
    assert other.status_code == 200
