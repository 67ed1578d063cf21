"""Access log entries → captures: what is taken over, how an ending is told, what cannot be used."""

from __future__ import annotations

import contextlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.captured import ROLES, Recorder, Source, Unusable
from collector.envoy_accesslog import Translator, source_of
from collector.redaction import Redaction
from mirrordiff.envoy.accesslog_pb2 import HttpAccessLogEntry, Node, ResponseFlags, StreamAccessLogsMessage
from mirrordiff.envoy.accesslog_pb2 import Struct as EnvoyStruct
from mirrordiff.envoy.accesslog_pb2 import Value as EnvoyValue
from mirrordiff.v1.capture_pb2 import (
    END_ABORTED,
    END_COMPLETE,
    END_NO_RESPONSE,
    END_NOT_CAPTURED,
    END_TRUNCATED,
    END_UPGRADE,
    Capture,
    End,
)
from tests.entries import entry, shipped

CAP = 64
CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def translate(raw: HttpAccessLogEntry | bytes, role: str = "primary") -> Capture:
    translator = Translator(Recorder(Source(ROLES[role], "orders", "v1"), Redaction(), CAP))
    data = raw if isinstance(raw, bytes) else raw.SerializeToString()
    return translator.capture(data, b"capture-id-1").capture


def test_everything_of_a_response_is_taken_over() -> None:
    headers = (("content-type", "text/plain"), ("x-two", "a"), ("x-two", "b"))
    response = shipped(b"body\r\n\r\nof it", headers, (("grpc-status", "0"),))
    capture = translate(entry(response, attempt=b"2", traceparent=CONTEXT.encode()))
    assert capture.id == b"capture-id-1"
    assert (capture.service, capture.version, capture.method, capture.path) == (
        "orders",
        "v1",
        "GET",
        "/orders/1",
    )
    assert capture.status == 200
    assert capture.headers == b"content-type: text/plain\r\nx-two: a\r\nx-two: b"
    assert capture.trailers == b"grpc-status: 0"
    assert capture.body == b"body\r\n\r\nof it"
    assert capture.end == END_COMPLETE
    assert capture.started_us == 1_795_000_000_250_000
    assert capture.duration_us == 12_000
    assert (capture.attempt, capture.traceparent) == (2, CONTEXT)


@pytest.mark.parametrize(
    ("header", "context"),
    [
        (CONTEXT, CONTEXT),
        (f"01{CONTEXT[2:]}", f"01{CONTEXT[2:]}"),
        (f"01{CONTEXT[2:]}-what.comes.later", f"01{CONTEXT[2:]}"),
        (f"01{CONTEXT[2:]}00", ""),
        (f"{CONTEXT}-more", ""),
        (f"{CONTEXT}\n", ""),
        (f"ff{CONTEXT[2:]}", ""),
        (CONTEXT.upper(), ""),
        (CONTEXT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32), ""),
        (CONTEXT.replace("b7ad6b7169203331", "0" * 16), ""),
        (CONTEXT[:-1], ""),
        (f" {CONTEXT}", ""),
        ("Bearer secret", ""),
    ],
)
def test_nothing_but_a_trace_context_is_taken_for_one(header: str, context: str) -> None:
    """By the grammar of W3C Trace Context 2.2, https://www.w3.org/TR/trace-context/#traceparent-header."""
    capture = translate(entry(shipped(b""), traceparent=header.encode()))
    assert capture.traceparent == context


@given(st.binary(max_size=CAP))
def test_any_body_comes_through_byte_for_byte(body: bytes) -> None:
    capture = translate(entry(shipped(body)))
    assert (capture.body, capture.end) == (body, END_COMPLETE)


@pytest.mark.parametrize(
    ("body", "size"),
    [(b"x" * 10, 11), (b"x" * (CAP + 1), None), (b"", 1)],
    ids=["cut by the filter", "over our cap", "nothing of it shipped"],
)
def test_a_body_that_is_not_whole_is_truncated(body: bytes, size: int | None) -> None:
    capture = translate(entry(shipped(body), body_size=size))
    assert capture.end == END_TRUNCATED
    assert len(capture.body) <= CAP
    assert capture.body_size == (size or len(body))


ENDINGS = [
    ("shadow timed out", "shadow", {"status": 504, "details": b"response_timeout"},
     ResponseFlags(upstream_request_timeout=True), END_NO_RESPONSE, 0),
    ("shadow refused", "shadow", {"status": 503, "details": b"upstream_reset_before_response_started"},
     ResponseFlags(upstream_connection_failure=True), END_NO_RESPONSE, 0),
    ("shadow reset", "shadow", {"status": 503, "details": b"upstream_reset_before_response_started"},
     ResponseFlags(upstream_remote_reset=True), END_NO_RESPONSE, 0),
    ("mirroring proxy gave up", "shadow", {"status": 0, "details": b""},
     ResponseFlags(downstream_remote_reset=True), END_NO_RESPONSE, 0),
    ("client went away", "primary", {"status": 0, "details": b""},
     ResponseFlags(downstream_connection_termination=True), END_ABORTED, 0),
    ("cut off in the body", "shadow", {"status": 200},
     ResponseFlags(upstream_remote_reset=True), END_NO_RESPONSE, 200),
    ("no filter", "primary", {"status": 200}, None, END_NOT_CAPTURED, 200),
    ("upgraded", "primary", {"status": 101}, None, END_UPGRADE, 101),
]  # fmt: skip


@pytest.mark.parametrize(
    ("role", "how", "flags", "end", "status"), [row[1:] for row in ENDINGS], ids=[r[0] for r in ENDINGS]
)
def test_how_a_response_ended(
    role: str, how: dict[str, object], flags: ResponseFlags | None, end: End.ValueType, status: int
) -> None:
    capture = translate(entry(None, flags=flags, **how), role)  # type: ignore[arg-type]
    assert (capture.end, capture.status) == (end, status)


def test_an_answer_in_the_upstreams_place_is_no_response() -> None:
    """Envoy's own 503 passes the capture filter too, headers and all, and is still not v2's answer."""
    flags = ResponseFlags(upstream_connection_failure=True)
    raw = entry(shipped(b"upstream connect error"), status=503, details=b"upstream_reset", flags=flags)
    capture = translate(raw, "shadow")
    assert (capture.end, capture.status, capture.body, capture.headers) == (END_NO_RESPONSE, 0, b"", b"")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff\xff\xff", "unreadable_entry"),
        (entry(shipped(b""), request_id=b""), "no_request_id"),
        (entry(b"!not base64!="), "unreadable_response"),
        (entry(b64encode(b"2\r\nanother format\r\n\r\n\r\n\r\n")), "unreadable_response"),
        (entry(b64encode(b"1\r\nno end")), "unreadable_response"),
    ],
    ids=["not a message", "no request id", "not base64", "another version", "cut"],
)
def test_what_cannot_be_used_has_a_reason(raw: HttpAccessLogEntry | bytes, reason: str) -> None:
    with pytest.raises(Unusable, match=f"^{reason}$"):
        translate(raw)


@given(st.binary(max_size=300))
def test_rubbish_is_a_capture_or_a_reason(raw: bytes) -> None:
    with contextlib.suppress(Unusable):
        assert translate(raw).service == "orders"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    capture = translate(
        entry(shipped(b"\xff\xfe", (("x-latin", "é"),)), path=b"/caf\xe9", request_id=b"\xff")
    )
    assert capture.path == "/caf\ufffd"
    assert capture.headers == b"x-latin: \xe9"
    assert capture.body == b"\xff\xfe"


def identifier(log_name: str, cluster: str = "", **labels: str) -> StreamAccessLogsMessage.Identifier:
    fields = [
        EnvoyStruct.Field(key=name.replace("_", "-").encode(), value=EnvoyValue(string_value=value.encode()))
        for name, value in labels.items()
    ]
    metadata = EnvoyStruct(
        fields=[EnvoyStruct.Field(key=b"LABELS", value=EnvoyValue(struct_value=EnvoyStruct(fields=fields)))]
    )
    node = Node(cluster=cluster.encode(), metadata=metadata)
    return StreamAccessLogsMessage.Identifier(log_name=log_name.encode(), node=node)


def test_a_stream_says_whose_responses_it_carries() -> None:
    assert source_of(identifier("shadow/orders/2.0-rc1")) == Source(ROLES["shadow"], "orders", "2.0-rc1")
    assert source_of(
        identifier("primary", "orders.shop", version="v1", pod_template_hash="6c54544bf9")
    ) == Source(ROLES["primary"], "orders.shop", "6c54544bf9")


@pytest.mark.parametrize(
    ("log_name", "reason"),
    [("canary/orders", "unknown_role"), ("", "unknown_role"), ("shadow", "unknown_service")],
)
def test_a_stream_that_does_not_say_is_unusable(log_name: str, reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        source_of(identifier(log_name))
