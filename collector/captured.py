"""What every way in makes of a response: a capture, and the key it meets its twin under. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from collector.pairing import pair_key
from collector.redaction import Redaction
from mirrordiff.request_body import body_hash
from mirrordiff.v1.capture_pb2 import (
    END_COMPLETE,
    END_TRUNCATED,
    ROLE_CONTROL,
    ROLE_PRIMARY,
    ROLE_SHADOW,
    Capture,
    End,
    Role,
)

ROLES: Final[dict[str, Role.ValueType]] = {
    "primary": ROLE_PRIMARY,
    "shadow": ROLE_SHADOW,
    "control": ROLE_CONTROL,
}

OVER_THE_CAP: Final = "over the body cap"

MOST_ATTEMPTS: Final = 127
"""Above what any proxy tries; an attempt is one byte in Redis."""

_TRACEPARENT = re.compile(
    rb"(?!ff|00-.{52}.)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?=-|\Z)", re.DOTALL
)
_SERVICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?")


class Unusable(ValueError):
    """Something received that no capture can be made of; ``reason`` is the name it is counted under."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Source:
    """Whose responses these are. An empty ``version`` means that the build is not known."""

    role: Role.ValueType
    service: str
    version: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a request beside its line.

    ``head`` is its header lines or some of them, ``body`` the first bytes of its body, of which there are
    ``size``. A body that did not come whole counts as none, since nobody knows what it would have been.
    """

    head: bytes = b""
    body: bytes = b""
    size: int = 0


NOTHING: Final = Asked()


@dataclass(frozen=True, slots=True)
class Keyed:
    """A capture, and the key it meets its twin under."""

    pair: bytes
    capture: Capture


def source_from(role: str, service: str, version: str) -> Source:
    """Raises Unusable(unknown_role) or Unusable(unknown_service)."""
    if role not in ROLES:
        raise Unusable("unknown_role")
    if not service:
        raise Unusable("unknown_service")
    return Source(ROLES[role], service, version)


def is_service(name: str) -> bool:
    """Whether a name that a stranger sent may become a metric's label and a part of keys."""
    return _SERVICE.fullmatch(name) is not None


def attempt_of(text: bytes) -> int:
    """The number in x-envoy-attempt-count; 0 where it is none."""
    return min(int(text), MOST_ATTEMPTS) if text.isdigit() and len(text) < 4 else 0


def trace_context(header: bytes) -> str:
    """The context in a traceparent header, without what versions to come put behind it; empty where none is.

    W3C Trace Context 2.2: version ff and ids of zeros are invalid.
    """
    found = _TRACEPARENT.match(header)
    return found[0].decode() if found is not None else ""


def text_of(value: bytes) -> str:
    """Captured bytes where the record has text."""
    return value.decode("utf-8", "replace")


class Recorder:
    """Makes captures of one source: redacted, and cut at ``body_cap``."""

    def __init__(self, source: Source, redaction: Redaction, body_cap: int) -> None:
        self.source = source
        self._service = source.service.encode()
        self._redaction = redaction
        self._body_cap = body_cap

    def record(
        self,
        capture_id: bytes,
        *,
        pair_id: bytes,
        request_id: bytes,
        method: str,
        path: bytes,
        authority: bytes,
        status: int,
        head: bytes,
        body: bytes,
        trailers: bytes,
        end: End.ValueType,
        detail: str,
        started_us: int,
        duration_us: int,
        body_size: int,
        attempt: int,
        asked: Asked = NOTHING,
        asked_hash: str = "",
        traceparent: bytes = b"",
    ) -> Keyed:
        """The capture and its key. Raises Unusable(no_request_id) where no twin could ever be found.

        ``asked_hash`` stands for the request's body where that itself is not known.
        """
        if asked.size and not pair_id:
            asked_hash = body_hash(asked.body, asked.size)
        pair = pair_key(self._service, pair_id, request_id, method.encode(), path, asked_hash)
        if pair is None:
            raise Unusable("no_request_id")
        body_size = max(body_size, len(body))
        if end == END_COMPLETE and body_size > min(len(body), self._body_cap):
            end, detail = END_TRUNCATED, OVER_THE_CAP
        if len(body) > self._body_cap:
            body = body[: self._body_cap]
        if self._redaction.reads_values:
            body, path = self._redaction.body(body, head), self._redaction.path(path)
        source = self.source
        capture = Capture(
            id=capture_id,
            role=source.role,
            service=source.service,
            version=source.version,
            request_id=text_of(request_id),
            method=method,
            path=text_of(path),
            authority=text_of(authority),
            status=status,
            headers=self._redaction.headers(head) if head else b"",
            body=body,
            trailers=self._redaction.headers(trailers) if trailers else b"",
            end=end,
            end_detail=detail,
            started_us=started_us,
            duration_us=duration_us,
            body_size=body_size,
            attempt=attempt,
            traceparent=trace_context(traceparent),
        )
        if self.keeps_requests:
            self._keep_request(capture, asked)
        return Keyed(pair, capture)

    @property
    def keeps_requests(self) -> bool:
        """Whether anything of a request is kept beside its line."""
        return self._redaction.keeps_requests

    def _keep_request(self, capture: Capture, asked: Asked) -> None:
        redaction = self._redaction
        capture.request_headers = redaction.request_headers(asked.head)
        if redaction.request_bodies and capture.role == ROLE_PRIMARY:
            body = asked.body[: self._body_cap]
            capture.request_body = redaction.body(body, asked.head)
            capture.request_body_size = asked.size
