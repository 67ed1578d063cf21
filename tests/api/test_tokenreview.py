"""Kubernetes' own tokens, reviewed by a real HTTPS server that answers as a cluster's API does."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest

from differ.api.tokenreview import Cluster, ReviewUnavailable, TokenReview, User
from mirrordiff.process.redis import Client
from mirrordiff.v1 import report_service_pb2 as messages
from tests.api.conftest import running
from tests.api.processes import command
from tests.certificates import Authority

OURS = "the-api-servers-own-token"
GATE = "system:serviceaccount:ci:gate"


def jwt(name: str) -> str:
    """A token that looks like a service account's."""
    parts = ({"alg": "RS256"}, {"sub": name})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


@dataclass
class ApiServer:
    """What a cluster knows, and what it was asked."""

    folder: Path
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    status: int = 201
    body: bytes | None = None
    port: int = 0

    def review(self, authorization: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if authorization != f"Bearer {OURS}":
            return 403, {"kind": "Status", "code": 403}
        assert document["apiVersion"] == "authentication.k8s.io/v1"
        assert document["kind"] == "TokenReview"
        token, audiences = document["spec"]["token"], document["spec"]["audiences"]
        self.asked.append(token)
        status = self.users.get(token, {"authenticated": False, "error": "invalid bearer token"})
        held = [each for each in audiences if each in status.get("audiences", audiences)]
        if status["authenticated"]:
            status = {**status, "audiences": held} if held else {"authenticated": False}
        return self.status, {**document, "status": status}

    def knows(self, name: str, *groups: str, **more: Any) -> str:
        """A token for this user."""
        token = jwt(name)
        self.users[token] = {"authenticated": True, "user": {"username": name, "groups": groups}, **more}
        return token

    @property
    def cluster(self) -> Cluster:
        return Cluster(f"https://127.0.0.1:{self.port}", self.folder)


class _Handler(BaseHTTPRequestHandler):
    api: ApiServer

    def do_POST(self) -> None:
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/apis/authentication.k8s.io/v1/tokenreviews"
        status, answer = self.api.review(self.headers["Authorization"], document)
        body = self.api.body if self.api.body is not None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is printed."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[ApiServer]:
    authority = Authority(folder, "ca")
    (folder / "ca.crt").write_bytes(authority.file.read_bytes())
    (folder / "token").write_text(OURS)
    signed = authority.sign("kubernetes")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.cert, signed.key)
    api = ApiServer(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    api.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ApiServer]:
    with serving(tmp_path) as api:
        yield api


async def test_a_user_is_known_by_name_and_groups(cluster: ApiServer) -> None:
    token = cluster.knows(GATE, "system:serviceaccounts", "system:serviceaccounts:ci")
    review = TokenReview(cluster.cluster, "mirrordiff")
    assert await review.user(token) == User(GATE, ("system:serviceaccounts", "system:serviceaccounts:ci"))


async def test_tokens_for_others_are_nobodys(cluster: ApiServer) -> None:
    review = TokenReview(cluster.cluster, "mirrordiff")
    assert await review.user(jwt("stranger")) is None
    assert await review.user(cluster.knows("vault", audiences=["vault"])) is None


async def test_a_cluster_that_knows_no_audiences_lets_nobody_in(cluster: ApiServer) -> None:
    cluster.body = json.dumps(
        {"status": {"authenticated": True, "user": {"username": GATE, "groups": []}}}
    ).encode()
    assert await TokenReview(cluster.cluster, "mirrordiff").user(jwt(GATE)) is None


@pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c", "....", "bnVsbA.e30.x", jwt("x") + ".y"])
async def test_the_cluster_is_not_bothered_with_what_it_never_gave_out(
    cluster: ApiServer, token: str
) -> None:
    assert await TokenReview(cluster.cluster, "mirrordiff").user(token) is None
    assert cluster.asked == []


async def test_answers_are_kept_for_a_short_time(cluster: ApiServer) -> None:
    now = 0.0
    review = TokenReview(cluster.cluster, "mirrordiff", clock=lambda: now)
    known, unknown = cluster.knows(GATE), jwt("stranger")
    for _ in range(3):
        assert await review.user(known) is not None
        assert await review.user(unknown) is None
    assert cluster.asked == [known, unknown]
    now = 11.0  # a token that did not hold may hold by now
    assert await review.user(unknown) is None
    assert await review.user(known) is not None
    assert cluster.asked == [known, unknown, unknown]
    now = 61.0  # one that held may have been revoked
    del cluster.users[known]
    assert await review.user(known) is None


@pytest.mark.parametrize("fault", ["status", "body", "shape", "ours", "away", "stranger"])
async def test_a_cluster_that_cannot_tell_lets_nobody_in(
    cluster: ApiServer, tmp_path: Path, fault: str
) -> None:
    token = cluster.knows(GATE)
    asked = cluster.cluster
    match fault:
        case "status":
            cluster.status = 500
        case "body":
            cluster.body = b"<html>"
        case "shape":
            cluster.body = b'{"status": {"authenticated": true, "audiences": ["mirrordiff"], "user": {}}}'
        case "ours":
            (tmp_path / "token").write_text("revoked")
        case "away":
            asked = Cluster("https://127.0.0.1:1", tmp_path)
        case _:  # another server answers in its place
            (tmp_path / "ca.crt").write_bytes(Authority(tmp_path, "other").file.read_bytes())
    with pytest.raises(ReviewUnavailable):
        await TokenReview(asked, "mirrordiff").user(token)


async def test_our_own_token_may_rotate(cluster: ApiServer, tmp_path: Path) -> None:
    review = TokenReview(cluster.cluster, "mirrordiff")
    (tmp_path / "token").write_text("old")
    with pytest.raises(ReviewUnavailable):
        await review.user(cluster.knows(GATE))
    (tmp_path / "token").write_text(f"{OURS}\n")
    assert await review.user(cluster.knows(GATE)) is not None


GRANTS = f"""
- {{user: "{GATE}", scopes: [verdict:read]}}
- {{group: "shop", scopes: [body:read]}}
"""


async def test_both_apis_take_the_clusters_tokens(
    cluster: ApiServer, redis: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(cluster.port))
    file = tmp_path / "grants.yaml"
    file.write_text(GRANTS)
    gate, person, other = cluster.knows(GATE), cluster.knows("ada", "shop"), cluster.knows("eve", "press")
    async with running(redis, tokens=file, token_review=True, token_review_folder=tmp_path) as api:
        for token, path, status in (
            (gate, "/v1/services", 200),
            (gate, "/v1/services/orders/sessions/v2/diffs", 403),
            (person, "/v1/services", 200),
            (other, "/v1/services", 403),
            (jwt("stranger"), "/v1/services", 401),
        ):
            answer = await api.http.get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == status, answer.text
        assert "audience mirrordiff" in answer.json()["detail"]  # most often it was asked for without one
        call = api.stub.ListServices(
            messages.ListServicesRequest(), metadata=(("authorization", f"Bearer {gate}"),)
        )
        assert not (await call).services

        cluster.status = 503
        fresh = cluster.knows("new", "shop")
        answer = await api.http.get("/v1/services", headers={"Authorization": f"Bearer {fresh}"})
        assert (answer.status_code, answer.json()["reason"]) == (503, "REVIEW_UNAVAILABLE")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await api.stub.ListServices(
                messages.ListServicesRequest(), metadata=(("authorization", f"Bearer {fresh}"),)
            )
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_outside_of_a_cluster_it_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "grants.yaml"
    file.write_text(GRANTS)
    nowhere = str(tmp_path / "none")
    ended = await command(
        "api", MIRRORDIFF_TOKENS=str(file), MIRRORDIFF_TOKEN_REVIEW="true",
        MIRRORDIFF_TOKEN_REVIEW_FOLDER=nowhere,
    )  # fmt: skip
    assert ended.code == 3
    assert "MIRRORDIFF_TOKEN_REVIEW: " in ended.err
    assert "is this in a cluster?" in ended.err
    without = await command("api", MIRRORDIFF_TOKENS=str(file))
    assert without.code == 3
    assert "MIRRORDIFF_TOKENS: users and groups are those of a cluster" in without.err
