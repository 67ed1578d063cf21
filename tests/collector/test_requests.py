"""What is known of a request: one key whichever way it comes, and nothing kept that was not asked for."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.assembly import Assembly
from collector.captured import Keyed, Recorder, Unusable
from collector.documents import keyed, parse, source_of
from collector.envoy_accesslog import Translator
from collector.redaction import Redaction
from collector.suspects import EVERY, Suspects
from mirrordiff.envoy.accesslog_pb2 import HttpAccessLogEntry, HttpRequestProperties, Struct, Value
from mirrordiff.envoy.extproc_pb2 import (
    HeaderMap,
    HeaderValue,
    ProcessingBody,
    ProcessingHeaders,
    ProcessingRequest,
    ProcessingTrailers,
)
from mirrordiff.request_body import HASHED
from mirrordiff.v1.capture_pb2 import Capture
from tests.entries import entry, shipped

CAP = 100_000
ID = "constant"
JSON = (("content-type", "application/json"), ("x-tenant", "a"), ("x-other", "b"))
KEY = b"0123456789abcdef"
KEEPING: dict[str, Any] = {"request_headers": ["X-Tenant", "Authorization"], "request_bodies": True}


def recorder(role: str, **redaction: Any) -> Recorder:
    document = line(role, b"")
    return Recorder(source_of(parse(document)), Redaction(**redaction), CAP)


def line(role: str, body: bytes, **fields: object) -> bytes:
    document = {"role": role, "service": "orders", "request_id": ID, "method": "POST", "path": "/a"}
    body_in = {"request_body_base64": b64encode(body).decode()} if body else {}
    return json.dumps(document | {"status": 200, "request_headers": JSON} | body_in | fields).encode()


def taken(document: bytes, role: str = "primary", **redaction: Any) -> Keyed:
    return keyed(parse(document), recorder(role, **redaction), b"id")


def by_post(body: bytes, role: str = "primary", **redaction: Any) -> Keyed:
    return taken(line(role, body), role, **redaction)


def by_access_log(body: bytes, role: str = "primary", *, head: int = CAP, **redaction: Any) -> Keyed:
    """As the filter ships it: ``head`` bytes of the body and its length."""
    log = entry(shipped(b""), path=b"/a", request_id=ID.encode())
    log.request.request_method = 3
    for name, value in JSON:
        log.request.request_headers.append(
            HttpRequestProperties.Header(key=name.encode(), value=value.encode())
        )
    if body:
        fields = {b"request": b64encode(body[:head]), b"request_size": b"%d" % len(body)}
        for key, text in fields.items():
            log.common_properties.metadata.filter_metadata[0].value.fields.append(
                Struct.Field(key=key, value=Value(string_value=text))
            )
    return Translator(recorder(role, **redaction)).capture(log.SerializeToString(), b"id")


def by_ext_proc(
    body: bytes, role: str = "primary", *, whole: bool = True, trailers: bool = False, **redaction: Any
) -> Keyed:
    pseudo = ((":method", "POST"), (":path", "/a"), ("x-request-id", ID))
    lines = [HeaderValue(key=k.encode(), raw_value=v.encode()) for k, v in (*pseudo, *JSON)]
    events = [ProcessingRequest(request_headers=ProcessingHeaders(headers=HeaderMap(headers=lines)))]
    for at in range(0, len(body), 40_000):
        chunk = ProcessingBody(body=body[at : at + 40_000])
        events.append(ProcessingRequest(request_body=chunk))
    if trailers:
        events.append(ProcessingRequest(request_trailers=ProcessingTrailers()))
    elif whole:
        events.append(ProcessingRequest(request_body=ProcessingBody(end_of_stream=True)))
    status = HeaderMap(headers=[HeaderValue(key=b":status", raw_value=b"200")])
    events.append(ProcessingRequest(response_headers=ProcessingHeaders(headers=status, end_of_stream=True)))
    assembly = Assembly(CAP, max(HASHED, CAP if redaction.get("request_bodies") else 0))
    for event in events:
        assembly.feed(event.SerializeToString(), 1)
    return assembly.keyed(recorder(role, **redaction), b"id")


@pytest.mark.parametrize("size", [0, 1, HASHED - 1, HASHED, HASHED + 1, CAP, CAP + 1])
def test_one_request_has_one_key_whichever_way_it_comes(size: int) -> None:
    body = b"x" * size
    keys = {
        by_access_log(body, head=HASHED).pair,
        by_access_log(body, "shadow").pair,
        by_ext_proc(body).pair,
        by_ext_proc(body, trailers=True).pair,
        by_ext_proc(body, "shadow", **KEEPING).pair,
        by_post(body).pair,
    }
    assert len(keys) == 1
    assert by_access_log(body + b"x", head=HASHED).pair not in keys


@given(st.binary(max_size=3), st.binary(max_size=3))
def test_bodies_part_requests_under_one_id(one: bytes, other: bytes) -> None:
    for way in (by_access_log, by_ext_proc, by_post):
        assert (way(one).pair == way(other).pair) == (one == other)


def test_a_body_that_did_not_come_whole_counts_as_none() -> None:
    assert by_ext_proc(b"half", whole=False).pair == by_access_log(b"").pair


@pytest.mark.parametrize("way", [by_access_log, by_ext_proc, by_post])
def test_nothing_of_a_request_is_kept_unless_it_was_asked_for(way: Any) -> None:
    capture: Capture = way(b'{"a": 1}').capture
    assert (capture.request_headers, capture.request_body, capture.request_body_size) == (b"", b"", 0)
    capture = way(b'{"a": 1}', **KEEPING).capture
    assert capture.request_headers == b"content-type: application/json\r\nx-tenant: a"
    assert (capture.request_body, capture.request_body_size) == (b'{"a": 1}', 8)
    # The same went to all sides: once is enough.
    assert way(b'{"a": 1}', "shadow", **KEEPING).capture.request_body == b""
    long = way(b"x" * (CAP + 1), **KEEPING).capture
    assert (len(long.request_body), long.request_body_size) == (CAP, CAP + 1)


@pytest.mark.parametrize("way", [by_access_log, by_ext_proc, by_post])
def test_what_is_kept_of_a_request_is_redacted_as_an_answer_is(way: Any) -> None:
    body = b'{"iban": "DE02", "mail": "jane.doe@example.com"}'
    by_field = way(body, **KEEPING, key=KEY, fields=["$.iban"]).capture
    assert b"DE02" not in by_field.request_body
    assert b"jane.doe@example.com" in by_field.request_body
    by_pattern = way(body, **KEEPING, key=KEY, patterns=["email"]).capture
    assert b"jane.doe@example.com" not in by_pattern.request_body
    hashed = way(body, **KEEPING, key=KEY, mode="hash-only").capture
    assert b"x-tenant: <token:" in hashed.request_headers
    assert b"jane" not in hashed.request_body
    # What cannot be read as JSON cannot be redacted field by field.
    assert way(b"iban=DE02", **KEEPING, key=KEY, fields=["$.iban"]).capture.request_body.startswith(b"<token")


def test_a_credential_that_is_asked_for_keeps_its_name_alone() -> None:
    redaction = Redaction(request_headers=["Authorization"])
    assert redaction.request_headers(b"authorization: Bearer x\r\nx-a: 1") == b"authorization: <redacted>"
    with pytest.raises(ValueError, match="cannot be the name of a header"):
        Redaction(request_headers=["two words"])


def test_the_detector_looks_at_requests_too() -> None:
    suspects = Suspects()
    for _ in range(EVERY):
        suspects.pass_by(
            Capture(request_body=b"jane.doe@example.com", request_headers=b"x: 4111111111111111")
        )
    assert dict(suspects.counts) == {"email": 1, "card": 1}


def test_a_request_that_cannot_be_read_is_told() -> None:
    log = HttpAccessLogEntry.FromString(entry(shipped(b"")).SerializeToString())
    log.common_properties.metadata.filter_metadata[0].value.fields.append(
        Struct.Field(key=b"request", value=Value(string_value=b"!not base64!="))
    )
    with pytest.raises(Unusable, match="unreadable_request"):
        Translator(recorder("primary")).capture(log.SerializeToString(), b"id")
    for fields in ({"request_body_base64": "!"}, {"request_body": "a", "request_body_base64": "YQ=="}):
        with pytest.raises(Unusable, match="request_body_base64"):
            taken(line("primary", b"", **fields))
