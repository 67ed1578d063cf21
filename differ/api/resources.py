"""What both APIs answer with, in one form.

HTTP sends these as JSON; gRPC parses the same JSON into the messages of ``mirrordiff/v1/report.proto``
(ProtoJSON is the mapping between them). So the two cannot say different things, and a field that one
of them does not know is an error in the first test that meets it.

Times are RFC 3339, durations seconds with ``s``, shares numbers in [0, 1], counts JSON numbers.
"""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from differ.core.lifting.bodies import decoded
from differ.core.lifting.media import parse_media, to_text
from differ.core.model import Response, Role
from differ.store import evidence as store
from differ.store.records import KeptDiff, KeptFinding, response_of, trace_id_of
from mirrordiff.v1.capture_pb2 import Capture


class Resource(BaseModel):
    """Base: frozen, camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True, extra="forbid"
    )


class Service(Resource):
    """A mirrored service."""

    name: str
    display_name: str
    last_seen_time: str


class Epoch(Resource):
    """The part of a session that one set of rules judged."""

    id: str
    start_time: str
    rules: int


class Session(Resource):
    """All evidence about one candidate of one service."""

    name: str
    service: str
    candidate: str
    primary_versions: list[str]
    start_time: str
    last_seen_time: str
    epochs: list[Epoch]


class Finding(Resource):
    """One difference of a pair. ``primary`` and ``shadow`` are JSON text, so that numbers stay exact."""

    signature: str
    field: str
    path: str
    kind: str
    disposition: str
    rule: str
    primary: str
    shadow: str


class Header(Resource):
    """A header or trailer as received."""

    name: str
    value: str


class Answer(Resource):
    """What one role answered. ``body`` as on the wire, base64; ``text`` decoded, where it is text."""

    status: int
    headers: list[Header]
    trailers: list[Header]
    body: str
    text: str
    body_size: int
    end: str
    end_detail: str
    version: str
    start_time: str | None
    duration: str | None
    trace_id: str


class Diff(Resource):
    """A judged pair kept as an example. The answers are in the FULL view alone."""

    name: str
    time: str
    endpoint: str
    method: str
    path: str
    request_id: str
    outcome: str
    findings: list[Finding]
    signatures: list[str]
    gap: str | None
    ambiguous: bool
    retried: bool
    primary: Answer | None
    shadow: Answer | None
    control: Answer | None


MOST_TEXT: Final = 4 * 1024 * 1024
"""Bytes of a decoded body that are still shown as text: a small body may decode to a very long one."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at_us: int) -> str:
    """Microseconds since the Unix epoch as RFC 3339, always with six digits of the second."""
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds(duration_us: int) -> str:
    """Microseconds as ProtoJSON writes a Duration: ``0.041000s``."""
    sign = "-" if duration_us < 0 else ""
    return f"{sign}{abs(duration_us) // 1_000_000}.{abs(duration_us) % 1_000_000:06d}s"


def service_name(service: str) -> str:
    """The resource name of a service."""
    return f"services/{service}"


def session_name(service: str, session: str) -> str:
    """The resource name of a session."""
    return f"services/{service}/sessions/{session}"


def service_of(row: store.Service) -> Service:
    """A service as it is answered."""
    return Service(
        name=service_name(row.id), display_name=_sound(row.name), last_seen_time=rfc3339(row.last_seen_us)
    )


def session_of(row: store.Session) -> Session:
    """A session as it is answered."""
    return Session(
        name=session_name(row.service_id, row.id),
        service=_sound(row.service),
        candidate=_sound(row.candidate),
        primary_versions=[_sound(version) for version in row.primary_versions],
        start_time=rfc3339(row.started_us),
        last_seen_time=rfc3339(row.last_seen_us),
        epochs=[
            Epoch(id=epoch.id, start_time=rfc3339(epoch.started_us), rules=epoch.rules)
            for epoch in row.epochs
        ],
    )


def diff_of(row: KeptDiff, session: store.Session, *, full: bool) -> Diff:
    """A kept diff as it is answered; with the answers where ``full``."""
    answers = {role: answer_of(row.capture(role)) if full else None for role in Role}
    return Diff(
        name=f"{session_name(session.service_id, session.id)}/diffs/{row.id}",
        time=rfc3339(row.at_us),
        endpoint=_sound(row.endpoint),
        method=_sound(row.method),
        path=_sound(row.path),
        request_id=_sound(row.request_id),
        outcome=row.outcome,
        findings=[_finding_of(finding) for finding in row.findings],
        signatures=list(dict.fromkeys(each.signature for each in row.findings if each.signature)),
        gap=None if row.gap_us is None else seconds(row.gap_us),
        ambiguous=row.ambiguous,
        retried=row.retried,
        primary=answers[Role.PRIMARY],
        shadow=answers[Role.SHADOW],
        control=answers[Role.CONTROL],
    )


def _finding_of(row: KeptFinding) -> Finding:
    return Finding(
        signature=row.signature,
        field=_sound(row.field),
        path=_sound(row.path),
        kind=row.kind,
        disposition=row.disposition,
        rule=_sound(row.rule),
        primary="" if row.kind == "extra" else json_text(row.primary),
        shadow="" if row.kind == "missing" else json_text(row.shadow),
    )


def json_text(value: object) -> str:
    """A kept value as JSON text."""
    return _sound(json.dumps(value, ensure_ascii=False, default=str))


def answer_of(capture: Capture | None) -> Answer | None:
    """A capture as it is answered; None stays None."""
    if capture is None:
        return None
    response = response_of(capture)
    return Answer(
        status=response.status,
        headers=[Header(name=_sound(name), value=_sound(value)) for name, value in response.headers],
        trailers=[Header(name=_sound(name), value=_sound(value)) for name, value in response.trailers],
        body=b64encode(response.body).decode(),
        text=body_text(response) or "",
        body_size=capture.body_size,
        end=response.end,
        end_detail=_sound(response.end_detail),
        version=_sound(capture.version),
        start_time=rfc3339(capture.started_us) if capture.started_us else None,
        duration=None if response.duration_us is None else seconds(response.duration_us),
        trace_id=trace_id_of(capture),
    )


def body_text(response: Response) -> str | None:
    """The body as text, content encodings undone; None where it is no text."""
    plain = decoded(response.body, ", ".join(v for n, v in response.headers if n == "content-encoding"))
    if not isinstance(plain, bytes) or len(plain) > MOST_TEXT:
        return None
    kinds = [value for name, value in response.headers if name == "content-type"]
    text = to_text(plain, parse_media(kinds[0] if kinds else "").charset)
    return None if text is None else _sound(text)


def _sound(text: str) -> str:
    """Text that encodes as UTF-8: what was captured may hold lone surrogates, which no JSON may."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
