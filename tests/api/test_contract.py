"""Both APIs give the same answers, errors included, and each answer is what its description says."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

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
]  # fmt: skip

_METHODS = {
    messages.GetServiceRequest: "GetService",
    messages.GetSessionRequest: "GetSession",
    messages.GetEndpointRequest: "GetEndpoint",
    messages.GetSignatureRequest: "GetSignature",
    messages.GetDiffRequest: "GetDiff",
    messages.GetVerdictRequest: "GetVerdict",
    messages.ListServicesRequest: "ListServices",
    messages.ListDiffsRequest: "ListDiffs",
    messages.ListSignaturesRequest: "ListSignatures",
    messages.ListEndpointsRequest: "ListEndpoints",
}


async def refused(api: Api, request: Message) -> tuple[grpc.StatusCode, str, list[str]]:
    """Status, reason and violated fields of an error."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(api.stub, _METHODS[type(request)])(request)
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None, caught.value.details()
    info, violations = error_details_pb2.ErrorInfo(), []
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            violations = [each.field for each in bad.field_violations]
    assert info.domain == DOMAIN
    return caught.value.code(), info.reason, violations


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
    assert [each["field"] for each in problem.get("errors", [])] == violations


async def test_sizes_that_cannot_be_used(api: Api) -> None:
    for size in ("-1", "many", "99999999999"):
        answer = await api.http.get("/v1/services", params={"pageSize": size})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "pageSize")
    code, reason, violations = await refused(api, messages.ListServicesRequest(page_size=-1))
    assert (code, reason, violations) == (
        grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_SIZE", ["page_size"],
    )  # fmt: skip


async def test_an_empty_list_is_no_error(api: Api) -> None:
    assert (await fetched(api, "services")) == {"services": [], "nextPageToken": "", "totalSize": 0}


@pytest.mark.parametrize("name", ["", "orders", "services/", "services/a/b", "services/../x", "services/a b"])
async def test_names_that_are_none(api: Api, name: str) -> None:
    code, reason, violations = await refused(api, messages.GetServiceRequest(name=name))
    assert (code, reason, violations) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_NAME", ["name"])


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
    answer = await api.http.get("/v1/services/" + "x" * 300)
    assert (answer.status_code, answer.json()["reason"]) == (400, "INVALID_ARGUMENT")


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
