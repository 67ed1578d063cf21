"""Tokens of Kubernetes' service accounts and users, reviewed by the cluster that gave them out.

``authentication.k8s.io/v1`` TokenReview: the token is posted, the answer says whether it holds for our
audience and whose it is. The API's service account needs the ClusterRole ``system:auth-delegator``.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from differ.api.errors import ApiError, Reason
from differ.api.tokens import digest
from mirrordiff.process.logs import logger

log = logger("differ.api.tokenreview")

PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
TIMEOUT_S: Final = 5.0
KNOWN_S: Final = 60.0
"""How long a token is known after a review: as long may one work that was just revoked."""
UNKNOWN_S: Final = 10.0
MOST_KEPT: Final = 4096
AT_ONCE: Final = 4
"""Reviews under way; strangers who send tokens cost the cluster no more than that."""


class ReviewUnavailable(ApiError):
    """The cluster gives no usable answer; asking again later may help."""

    def __init__(self) -> None:
        super().__init__(Reason.REVIEW_UNAVAILABLE, "the cluster does not review tokens now; try again")


@dataclass(frozen=True, slots=True)
class User:
    """Whose token it is."""

    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where Kubernetes' API is, and the files of a pod: ``token`` and ``ca.crt``. Both files rotate."""

    url: str
    folder: Path


def in_cluster(folder: Path) -> Cluster:
    """The cluster that this pod is in. Raises OSError where a file is missing, ValueError never."""
    for name in ("token", "ca.crt"):
        with (folder / name).open("rb"):
            pass
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return Cluster(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}", folder)


class TokenReview:
    """Asks the cluster, and remembers the answer for a short time."""

    def __init__(self, cluster: Cluster, audience: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.audience = audience
        self._cluster = cluster
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, User | None]] = OrderedDict()
        self._room = asyncio.Semaphore(AT_ONCE)

    async def user(self, token: str) -> User | None:
        """Whose token it is; None where it is nobody's, or not for us. Raises ReviewUnavailable."""
        if not _looks_like_a_jwt(token):
            return None  # a cluster gives out no other ones, and those of others are none of its business
        key = digest(token)
        kept = self._fresh(key)
        if kept is not None:
            return kept[1]
        async with self._room:
            kept = self._fresh(key)
            if kept is None:
                user = await asyncio.to_thread(self._ask, token)
                kept = (self._clock() + (UNKNOWN_S if user is None else KNOWN_S), user)
                self._kept[key] = kept
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            return kept[1]

    def _fresh(self, key: str) -> tuple[float, User | None] | None:
        kept = self._kept.get(key)
        if kept is None or kept[0] <= self._clock():
            self._kept.pop(key, None)
            return None
        return kept

    def _ask(self, token: str) -> User | None:
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self.audience]},
        }
        try:
            status, body = self._post(json.dumps(review))
        except (OSError, http.client.HTTPException, ValueError) as error:
            log.error("review_unavailable", error=type(error).__name__)  # noqa: TRY400
            raise ReviewUnavailable from None
        if status not in {200, 201}:
            # 401 and 403 are about us: system:auth-delegator is not bound to our service account.
            log.error("review_refused", status=status)
            raise ReviewUnavailable
        return self._read(body)

    def _post(self, review: str) -> tuple[int, bytes]:
        parts = urlsplit(self._cluster.url)
        context = ssl.create_default_context(cafile=str(self._cluster.folder / "ca.crt"))
        ours = (self._cluster.folder / "token").read_text("ascii").strip()
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=TIMEOUT_S, context=context
        )
        try:
            headers = {"Authorization": f"Bearer {ours}", "Content-Type": "application/json"}
            connection.request("POST", PATH, review, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _read(self, body: bytes) -> User | None:
        try:
            status: dict[str, Any] = json.loads(body)["status"]
            if status.get("authenticated") is not True:
                return None
            # A cluster that knows nothing of audiences leaves them out: then the token is for the
            # cluster's own API, and was not given to be shown to us.
            if self.audience not in (status.get("audiences") or ()):
                return None
            user = status["user"]
            name, groups = user["username"], user.get("groups") or []
            if not isinstance(name, str) or not name:
                raise TypeError  # noqa: TRY301
            return User(name, tuple(str(one) for one in groups))
        except (ValueError, TypeError, KeyError, AttributeError):
            log.error("review_unreadable")  # noqa: TRY400
            raise ReviewUnavailable from None


def _looks_like_a_jwt(token: str) -> bool:
    head, dot, rest = token.partition(".")
    if not dot or rest.count(".") != 1:
        return False
    try:
        return isinstance(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))), dict)
    except (ValueError, RecursionError):  # binascii.Error is a ValueError
        return False
