"""Reviews: a person's word on a signature becomes a rule, the same on both APIs, and can be undone."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from differ.core.rules import parse_rules
from differ.store.reviews import MOST_REVIEWS, Review, Reviews
from mirrordiff.process.redis import Client
from mirrordiff.v1 import report_pb2 as report
from mirrordiff.v1 import report_service_pb2 as messages
from tests.api.conftest import Api
from tests.api.seeding import Seed, planted

PATH = "/v1/services/orders/reviews"
PARENT = "services/orders"


@pytest.fixture
async def signatures(redis: Client, api: Api) -> dict[str, str]:
    """The ids of the signatures of a session with faults, by field."""
    await planted(Seed(), pairs=90).write(redis)
    listed = (await api.http.get("/v1/services/orders/sessions/v2/signatures")).json()["signatures"]
    return {each["field"]: each["id"] for each in listed}


async def refused(api: Api, **wanted: str) -> tuple[int, str]:
    """Status and reason by HTTP, after gRPC gave the same reason."""
    answer = await api.http.post(PATH, json=wanted)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.CreateReview(messages.CreateReviewRequest(parent=PARENT, **wanted))
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == answer.json()["reason"]
    return answer.status_code, info.reason


async def test_a_change_is_accepted_and_the_acceptance_undone(
    api: Api, redis: Client, signatures: dict[str, str]
) -> None:
    wanted = {"signature": signatures["$.total"], "action": "expect", "note": "agreed in PAY-3", "by": "Ada"}
    answer = await api.http.post(PATH, json={**wanted, "until": "2999-12-31"})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["by"], made["candidate"], made["field"]) == ("Ada", "v2", "$.total")
    (rule,) = parse_rules("rules:\n" + made["rule"]).rules
    assert (rule.note, rule.owner, str(rule.until)) == ("agreed in PAY-3", "Ada", "2999-12-31")
    assert made["name"] == f"{PARENT}/reviews/{rule.id}"

    listed = (await api.http.get(PATH)).json()
    assert listed["reviews"] == [made]
    same = await api.stub.ListReviews(messages.ListReviewsRequest(parent=PARENT))
    assert ParseDict(listed, messages.ListReviewsResponse()) == same
    snapshot = await api.service.snapshot("orders", "v2")
    assert snapshot.verdict.facts.rules == {rule.id: "agreed in PAY-3"}

    # The same once more, by either way, is about the same difference.
    assert await refused(api, **wanted) == (409, "REVIEW_CONFLICT")
    assert (await api.http.delete(f"/v1/{made['name']}")).status_code == 204
    assert await Reviews(redis).of("orders") == []
    assert (await api.service.snapshot("orders", "v2")).verdict.facts.rules == {}

    again = await api.http.delete(f"/v1/{made['name']}")
    assert (again.status_code, again.json()["reason"]) == (404, "REVIEW_NOT_FOUND")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await api.stub.DeleteReview(messages.DeleteReviewRequest(name=made["name"]))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_field_is_ignored_for_every_candidate(api: Api, signatures: dict[str, str]) -> None:
    made = await api.stub.CreateReview(
        messages.CreateReviewRequest(
            parent=PARENT, signature=signatures["$.total"], action="ignore", note="never read"
        )
    )
    (rule,) = parse_rules("rules:\n" + made.rule).rules
    assert (made.candidate, made.by, rule.note) == ("", "anyone", "never read")
    listed = (await api.http.get(PATH)).json()["reviews"]
    assert [ParseDict(each, report.Review()) for each in listed] == [made]
    await api.stub.DeleteReview(messages.DeleteReviewRequest(name=made.name))
    assert (await api.http.get(PATH)).json()["reviews"] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"signature": "0123456789ab"}, (404, "SIGNATURE_NOT_FOUND")),
        ({"candidate": "v7"}, (404, "SESSION_NOT_FOUND")),
        ({"note": ""}, (400, "INVALID_ARGUMENT")),
        ({"note": " \n"}, (400, "INVALID_ARGUMENT")),
        ({"note": "x" * 501}, (400, "INVALID_ARGUMENT")),
        ({"by": "Ada\x1b[2J"}, (400, "INVALID_ARGUMENT")),
        ({"until": "2020-01-01"}, (400, "INVALID_ARGUMENT")),
        ({"until": "soon"}, (400, "INVALID_ARGUMENT")),
        ({"action": "shrug"}, (400, "INVALID_ARGUMENT")),
    ],
)
async def test_what_cannot_be_a_rule_is_refused(
    api: Api, redis: Client, signatures: dict[str, str], change: dict[str, str], expected: tuple[int, str]
) -> None:
    wanted = {"signature": signatures["$.total"], "action": "expect", "note": "why", **change}
    assert await refused(api, **wanted) == expected
    assert await Reviews(redis).of("orders") == []


async def test_a_status_is_never_ignored(api: Api, signatures: dict[str, str]) -> None:
    wanted = {"signature": signatures["status"], "action": "ignore", "note": "why"}
    assert await refused(api, **wanted) == (400, "INVALID_ARGUMENT")


async def test_there_are_no_more_than_there_is_room_for(
    api: Api, redis: Client, signatures: dict[str, str]
) -> None:
    reviews = Reviews(redis)

    async def add(number: int) -> bool:
        rule = f"- ignore: {{field: $.f{number}}}\n  note: n"
        return await reviews.add(
            "orders", Review(str(number), "ignore", "s", "GET /", f"$.f{number}", rule, "n", "b", number)
        )

    assert all([await add(number) for number in range(MOST_REVIEWS - 3)])
    kept = await asyncio.gather(*(add(number) for number in range(MOST_REVIEWS, MOST_REVIEWS + 10)))
    assert kept.count(False) == 7
    wanted = {"signature": signatures["$.total"], "action": "ignore", "note": "why"}
    assert await refused(api, **wanted) == (409, "TOO_MANY_REVIEWS")
    page: Any = (await api.http.get(PATH, params={"pageSize": 3})).json()
    assert (len(page["reviews"]), page["totalSize"]) == (3, MOST_REVIEWS)


REPORT = "/services/orders/sessions/v2"


async def test_the_page_accepts_and_undoes(api: Api, redis: Client, signatures: dict[str, str]) -> None:
    page = await api.http.get(REPORT, params={"signature": signatures["$.total"]})
    assert f'name="signature" value="{signatures["$.total"]}"' in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    fields = {"signature": signatures["$.total"], "action": "expect", "note": "<b>agreed</b>", "until": ""}
    ours = {"sec-fetch-site": "same-origin"}
    foreign = await api.http.post(f"{REPORT}/reviews", data=fields, headers={"sec-fetch-site": "cross-site"})
    assert foreign.status_code == 403
    assert await Reviews(redis).of("orders") == []
    made = await api.http.post(f"{REPORT}/reviews", data=fields, headers=ours)
    assert (made.status_code, made.headers["location"]) == (303, f"{REPORT}#rules")
    (kept,) = await Reviews(redis).of("orders")
    shown = (await api.http.get(REPORT)).text
    assert "expect $.total: &lt;b&gt;agreed&lt;/b&gt;" in shown
    assert f'action="{REPORT}/reviews/{kept.id}/undo"' in shown
    nameless = await api.http.post(f"{REPORT}/reviews", data={**fields, "note": " "}, headers=ours)
    assert (nameless.status_code, "say why" in nameless.text) == (400, True)
    undone = await api.http.post(f"{REPORT}/reviews/{kept.id}/undo", headers=ours)
    assert undone.status_code == 303
    assert await Reviews(redis).of("orders") == []


async def test_a_saved_page_has_no_forms(api: Api, signatures: dict[str, str]) -> None:
    assert signatures
    assert "<form" not in (await api.http.get(f"{REPORT}/report.html")).text
