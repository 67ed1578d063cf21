"""Who may see what, on both APIs and the page; and who has seen what, in the audit log."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status
from structlog.testing import capture_logs

from differ.api import access
from differ.api.errors import STATUS, Reason
from differ.local.ports import free_ports
from mirrordiff.process.redis import Client
from mirrordiff.v1 import report_service_pb2 as messages
from tests.api.conftest import Api, running
from tests.api.processes import command
from tests.api.seeding import Seed, planted
from tests.processes import Process
from tests.waiting import eventually

SESSION = "services/orders/sessions/v2"
CAPTURED = "division by zero"
SCOPES = ("verdict:read", "diff:read", "body:read", "write")


def entry(token: str, *scopes: str, name: str = "") -> dict[str, Any]:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"name": name or token, "sha256": digest, "scopes": list(scopes)}


def lines(*entries: dict[str, Any]) -> str:
    return "".join(json.dumps(each) + "\n" for each in entries)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A file with a token for each scope, named as the scope is."""
    file = tmp_path / "tokens.jsonl"
    file.write_text(lines(*(entry(scope, scope) for scope in SCOPES)))
    return file


@pytest.fixture
async def guarded(redis: Client, tokens: Path) -> AsyncIterator[Api]:
    """An API that asks for tokens, with evidence."""
    seed = planted(Seed(), pairs=60)
    await seed.write(redis)
    async with running(redis, tokens=tokens) as api:
        yield api


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def a_diff(api: Api) -> str:
    found = await api.http.get(f"/v1/{SESSION}/diffs?pageSize=1", headers=bearer("diff:read"))
    return str(found.json()["diffs"][0]["name"])


ROUTES = {
    "/v1/services": "verdict:read",
    f"/v1/{SESSION}/verdict": "verdict:read",
    "/v1/services/orders/gates/default/verdict": "verdict:read",
    f"/v1/{SESSION}/signatures": "diff:read",
    f"/v1/{SESSION}/endpoints?view=FULL": "diff:read",
    f"/v1/{SESSION}/diffs": "diff:read",
    f"/v1/{SESSION}/diffs?view=FULL": "body:read",
    f"/v1/{SESSION}/diffs?view=BASIC&view=FULL": "body:read",
}


@pytest.mark.parametrize("path", ROUTES)
async def test_each_reading_scope_holds_those_below_it(guarded: Api, path: str) -> None:
    for scope in SCOPES:
        answer = await guarded.http.get(path, headers=bearer(scope))
        enough = scope != "write" and SCOPES.index(scope) >= SCOPES.index(ROUTES[path])
        assert answer.status_code == (200 if enough else 403), (scope, answer.text)
        if not enough:
            problem = answer.json()
            assert problem["reason"] == "PERMISSION_DENIED"
            assert problem["metadata"] == {"scope": ROUTES[path]}
            assert answer.headers["www-authenticate"].endswith(f'scope="{ROUTES[path]}"')


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer unknown", "Bearer verdict:read2", "Basic dmVyZGljdA=="]
)
async def test_without_a_known_token_nothing_is_answered(guarded: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for path in [*ROUTES, "/v1/nothing", f"/{SESSION}"]:
        answer = await guarded.http.get(path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["reason"] == "UNAUTHENTICATED"


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """The code of a refusal, and its reason."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status: Any = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    info = status.details[0].value.decode("utf-8", "replace")
    return caught.value.code(), next(reason for reason in Reason if reason in info)


async def test_both_apis_refuse_alike(guarded: Api) -> None:
    stub, diff = guarded.stub, await a_diff(guarded)
    request = messages.GetDiffRequest(name=diff)
    for token, reason in ((None, Reason.UNAUTHENTICATED), ("diff:read", Reason.PERMISSION_DENIED)):
        metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        code, told = await refused(stub.GetDiff(request, metadata=metadata))
        answer = await guarded.http.get(f"/v1/{diff}", headers={} if token is None else bearer(token))
        assert code is STATUS[reason].grpc
        assert answer.status_code == STATUS[reason].http
        assert told == answer.json()["reason"] == reason


async def test_grpc_asks_for_the_scope_of_the_view(guarded: Api) -> None:
    stub, diff = guarded.stub, await a_diff(guarded)
    metadata = (("authorization", "bearer diff:read"),)
    basic = await stub.GetDiff(
        messages.GetDiffRequest(name=diff, view=messages.VIEW_BASIC), metadata=metadata
    )
    assert basic.findings
    assert not any(each.primary or each.shadow for each in basic.findings)
    await stub.ListDiffs(messages.ListDiffsRequest(parent=SESSION), metadata=metadata)
    full = messages.ListDiffsRequest(parent=SESSION, view=messages.VIEW_FULL)
    assert (await refused(stub.ListDiffs(full, metadata=metadata)))[1] == "PERMISSION_DENIED"
    listed = await stub.ListDiffs(full, metadata=(("authorization", "Bearer body:read"),))
    assert listed.diffs[0].primary.body


async def test_a_stream_is_refused_at_its_start(guarded: Api) -> None:
    request = messages.WatchVerdictRequest(name=SESSION)

    async def first(*metadata: tuple[str, str]) -> Any:
        async for change in guarded.stub.WatchVerdict(request, metadata=metadata):
            return change
        return None

    assert (await refused(first()))[1] == "UNAUTHENTICATED"
    assert (await refused(first(("authorization", "Bearer write"))))[1] == "PERMISSION_DENIED"
    assert (await first(("authorization", "Bearer verdict:read"))).verdict.pairs


async def test_values_are_for_those_who_may_see_bodies(guarded: Api) -> None:
    parameters = {"filter": 'endpoint = "POST /orders/{id}/refund"'}
    for token, seen in (("diff:read", False), ("body:read", True)):
        for path in (f"/v1/{SESSION}/diffs", f"/{SESSION}", f"/{SESSION}/report.html"):
            answer = await guarded.http.get(
                path, params=parameters if path.startswith("/v1") else {}, headers=bearer(token)
            )
            assert answer.status_code == 200, answer.text
            assert (CAPTURED in answer.text) is seen, (token, path)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/login"])
async def test_what_shows_nothing_is_open(guarded: Api, path: str) -> None:
    answer = await guarded.http.get(path)
    assert answer.status_code == 200
    assert CAPTURED not in answer.text


async def test_flagger_has_no_token_and_is_told_a_word(guarded: Api) -> None:
    codes = {}
    for hook in ("check", "promote", "rollback"):
        answer = await guarded.http.post(f"/hooks/flagger/{hook}", json={"name": "orders"})
        assert CAPTURED not in answer.text
        codes[hook] = answer.status_code
    assert codes == {"check": 409, "promote": 409, "rollback": 200}


async def test_every_door_is_in_the_table(guarded: Api) -> None:
    document = (await guarded.http.get("/openapi.json")).json()
    described = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    assert {door for door in described if not access.is_open(door[1])} <= set(access.HTTP)
    methods = messages.DESCRIPTOR.services_by_name["ReportService"].methods_by_name
    assert set(methods) == set(access.GRPC)
    pages = {(method, path) for method, path in access.HTTP if (method, path) not in described}
    assert all(not path.startswith(("/v1", "/hooks")) for _, path in pages), "a row without a route"


async def test_a_door_without_a_row_is_shut(guarded: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(access.HTTP, ("GET", "/v1/services"))
    monkeypatch.delitem(access.GRPC, "ListServices")
    assert (await guarded.http.get("/v1/services", headers=bearer("body:read"))).status_code == 405
    metadata = (("authorization", "Bearer body:read"),)
    call = guarded.stub.ListServices(messages.ListServicesRequest(), metadata=metadata)
    assert await refused(call) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_ALLOWED")


async def test_every_body_shown_is_in_the_audit_log(guarded: Api) -> None:
    diff = await a_diff(guarded)
    number = diff.rpartition("/")[2]
    with capture_logs() as logs:
        await guarded.http.get(f"/v1/{diff}", headers=bearer("body:read"))
        metadata = (("authorization", "Bearer body:read"),)
        await guarded.stub.GetDiff(messages.GetDiffRequest(name=diff), metadata=metadata)
        listed = await guarded.http.get(
            f"/v1/{SESSION}/diffs?view=FULL&pageSize=3", headers=bearer("body:read")
        )
        await guarded.http.get(f"/{SESSION}/report.html", headers=bearer("body:read"))
    shown = [each for each in logs if each["event"] == "body_shown"]
    assert {(each["who"], each["session"]) for each in shown} == {("body:read", SESSION)}
    assert [each["diffs"] for each in shown[:2]] == [[number], [number]]
    assert shown[2]["diffs"] == [each["name"].rpartition("/")[2] for each in listed.json()["diffs"]]
    assert {each["view"] for each in shown[3:]} == {"PAGE"}
    assert CAPTURED not in str(logs)


async def test_what_shows_no_body_leaves_no_audit_line(guarded: Api) -> None:
    diff = await a_diff(guarded)
    with capture_logs() as logs:
        assert (await guarded.http.get(f"/v1/{diff}", headers=bearer("diff:read"))).status_code == 403
        await guarded.http.get(f"/v1/{SESSION}/diffs", headers=bearer("diff:read"))
        await guarded.http.get(f"/{SESSION}", headers=bearer("diff:read"))
    assert [each for each in logs if each["event"] == "body_shown"] == []


async def test_the_file_is_read_anew_when_it_changes(guarded: Api, tokens: Path) -> None:
    async def status(token: str) -> int:
        return (await guarded.http.get("/v1/services", headers=bearer(token))).status_code

    assert (await status("verdict:read"), await status("later")) == (200, 401)
    replace(tokens, lines(entry("later", "verdict:read")))
    assert (await status("verdict:read"), await status("later")) == (401, 200)
    with capture_logs() as logs:
        replace(tokens, "- {name: broken")
        assert await status("later") == 200, "a slip in the file changes nothing"
    assert [each["event"] for each in logs] == ["tokens_unusable"]
    replace(tokens, lines(entry("again", "verdict:read")))
    assert (await status("later"), await status("again")) == (401, 200)


def replace(file: Path, text: str) -> None:
    """As Kubernetes and editors do: another file under the name."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


async def test_signing_in_by_the_form(guarded: Api) -> None:
    browser = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    first = await guarded.http.get(f"/{SESSION}?show=all", headers=browser)
    assert (first.status_code, first.headers["location"]) == (
        303, "/login?next=%2Fservices%2Forders%2Fsessions%2Fv2%3Fshow%3Dall",
    )  # fmt: skip
    form = await guarded.http.get(first.headers["location"], headers=browser)
    assert "form-action 'self'" in form.headers["content-security-policy"]
    assert f'value="/{SESSION}?show=all"' in form.text

    fields = {"token": "nonsense", "next": f"/{SESSION}?show=all"}
    wrong = await guarded.http.post("/login", data=fields, headers=browser)
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    assert "nonsense" not in wrong.text

    right = await guarded.http.post("/login", data={**fields, "token": "body:read"}, headers=browser)
    assert (right.status_code, right.headers["location"]) == (303, f"/{SESSION}?show=all")
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    page = await guarded.http.get(right.headers["location"], headers=browser)
    assert page.status_code == 200
    assert CAPTURED in page.text

    await guarded.http.post("/logout", headers=browser)
    assert (await guarded.http.get(f"/{SESSION}", headers=browser)).status_code == 303


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example"]
)
async def test_signing_in_leads_nowhere_else(guarded: Api, address: str) -> None:
    answer = await guarded.http.post("/login", data={"token": "body:read", "next": address})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_page_says_which_scope_is_missing(guarded: Api) -> None:
    answer = await guarded.http.get(f"/{SESSION}", headers={**bearer("write"), "Accept": "text/html"})
    assert answer.status_code == 403
    assert "diff:read" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


OTHERS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", OTHERS)
async def test_other_sites_change_nothing(guarded: Api, api: Api, headers: dict[str, str]) -> None:
    guarded.http.cookies.set("mirrordiff_token", "write")
    for server in (guarded, api):
        for path in ("/v1/services/orders/profile", "/login"):
            answer = await server.http.post(path, headers=headers)
            assert (answer.status_code, answer.json()["reason"]) == (403, "CROSS_SITE")


async def test_with_the_cookie_only_our_pages_change_something(guarded: Api) -> None:
    guarded.http.cookies.set("mirrordiff_token", "write")
    path = "/v1/services/nobody/profile"
    assert (await guarded.http.delete(path)).status_code == 403
    here = f"{guarded.http.base_url.host}:{guarded.http.base_url.port}"
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://{here}"}):
        assert (await guarded.http.delete(path, headers=headers)).status_code != 403


async def test_this_machine_is_not_called_by_a_strangers_name(api: Api) -> None:
    port = api.http.base_url.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", "shop.localhost"):
        assert (await api.http.get("/v1/services", headers={"Host": host})).status_code == 200, host
    for host in (f"evil.example:{port}", "evil.example", ""):
        answer = await api.http.get("/v1/services", headers={"Host": host})
        assert answer.status_code == 403, host


_DIGEST = "ab" * 32
FAULTS = f"""
- name: a
  sha256: 12
  scopes: [verdict:read]
- name: a b
  sha256: {_DIGEST}
  scopes: [verdict:read]
- name: c
  sha256: {_DIGEST}
  scopes: [verdict:reads]
- name: d
  sha256: {hashlib.sha256(b"").hexdigest()}
  scopes: []
- user: u
  group: g
  scopes: [write]
- user: system:serviceaccount:a:b
  scopes: [write]
  until: tomorrow
- secret-token
"""


async def test_a_file_is_refused_with_all_its_problems(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text(FAULTS)
    ended = await command("api", MIRRORDIFF_TOKENS=str(file), MIRRORDIFF_API_OPEN="true")
    assert ended.code == 3
    for said in (
        "API_OPEN: cannot be true beside MIRRORDIFF_TOKENS",
        "line 3: sha256: write the 64 hexadecimal digits",
        "line 5: name: write letters",
        "line 10: an item of scopes: write one of",
        "line 9: this sha256 is given twice, first in line 6",
        "line 12: sha256: this is the one of no text at all",
        "line 13: scopes: at least one",
        "line 14: write one of sha256, user and group",
        "line 19: unknown key in an item of the file",
        "line 20:",
    ):
        assert said in ended.err, ended.err
    assert "secret-token" not in ended.err


async def test_strangers_are_not_let_in_by_accident(redis_url: str) -> None:
    http, rpc = free_ports(2)
    ended = await command(
        "api",
        MIRRORDIFF_REDIS_URL=redis_url,
        MIRRORDIFF_API_HTTP=f":{http}",
        MIRRORDIFF_API_GRPC=f"[::]:{rpc}",
        MIRRORDIFF_TOKEN_REVIEW="true",
    )
    assert ended.code == 3
    for name in ("API_HTTP", "API_GRPC", "TOKEN_REVIEW"):
        assert f"MIRRORDIFF_{name}: " in ended.err


@pytest.mark.parametrize("way", ["open", "tokens"])
async def test_others_are_let_in_when_that_is_wanted(
    redis: Client, redis_url: str, tokens: Path, tmp_path: Path, way: str
) -> None:
    await planted(Seed(), pairs=30).write(redis)
    http, rpc = free_ports(2)
    wanted: dict[str, object] = {"api_open": "true"} if way == "open" else {"tokens": tokens}
    settings = {"redis_url": redis_url, "api_http": f":{http}", "api_grpc": f":{rpc}", **wanted}
    with Process(["differ", "api"], settings, tmp_path) as process:

        async def ready() -> bool:
            return "api_ready" in process.said()

        await eventually(ready, process.said)
        address = f"127.0.0.1:{http}"
        without = await command("get", "diffs", "orders", "--api", address, "-o", "json")
        waited = "100ms" if way == "open" else "30m"
        asked = await command(
            "get", "diffs", "orders", "--api", address, "-o", "json", MIRRORDIFF_TOKEN="body:read"
        )
        gate = await command(
            "gate", "orders", "--wait", "--timeout", waited, "--api", address, "--token", "write"
        )
        assert await process.stop() == 0
        said = process.said()
    assert asked.code == 0, asked.err
    assert json.loads(asked.out)
    assert without.code == (0 if way == "open" else 4)
    assert gate.code == (2 if way == "open" else 4), gate.err
    if way == "tokens":
        assert "MIRRORDIFF_TOKEN" in without.err
        assert "verdict:read" in gate.err
        shown = [json.loads(line) for line in said.splitlines() if "body_shown" in line]
        assert [each["who"] for each in shown] == ["body:read"]
        assert all(each["ts"] for each in shown)
    assert CAPTURED not in said


async def test_no_token_is_ever_logged(redis_url: str, tmp_path: Path) -> None:
    secret = "s3cr3t-" + os.urandom(8).hex()
    file = tmp_path / "tokens.yaml"
    file.write_text(lines(entry(secret, "body:read", name="ops")))
    http, rpc = free_ports(2)
    settings: dict[str, object] = {
        "redis_url": redis_url, "api_http": f"127.0.0.1:{http}", "api_grpc": f"127.0.0.1:{rpc}",
        "tokens": file, "log_level": "debug",
    }  # fmt: skip
    with Process(["differ", "api"], settings, tmp_path) as process:

        async def ready() -> bool:
            return "api_ready" in process.said()

        await eventually(ready, process.said)
        for token in (secret, secret + "x"):
            ended = await command("get", "services", "--api", f"127.0.0.1:{http}", "--token", token)
            assert secret not in ended.out + ended.err
        replace(file, f"- {secret}")
        assert (
            await command("get", "services", "--api", f"127.0.0.1:{http}", MIRRORDIFF_TOKEN=secret)
        ).code == 0
        assert await process.stop() == 0
        said = process.said()
    assert "tokens_unusable" in said
    assert secret not in said
