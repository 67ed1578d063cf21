"""Exchanges put together from events: every ending, in any cut of the body, and what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.assembly import Assembly
from collector.captured import ROLES, Keyed, Recorder, Source, Unusable
from collector.redaction import Redaction
from mirrordiff.envoy.accesslog_pb2 import Struct, Value
from mirrordiff.envoy.extproc_pb2 import (
    HeaderMap,
    HeaderValue,
    ProcessingAttributes,
    ProcessingBody,
    ProcessingHeaders,
    ProcessingRequest,
    ProcessingTrailers,
)
from mirrordiff.v1.capture_pb2 import (
    END_ABORTED,
    END_COMPLETE,
    END_NO_RESPONSE,
    END_TRUNCATED,
    END_UPGRADE,
)

CAP = 64


def header_map(*pairs: tuple[bytes, bytes]) -> HeaderMap:
    return HeaderMap(headers=[HeaderValue(key=key, raw_value=value) for key, value in pairs])


def attributes(**values: bytes | float) -> list[ProcessingAttributes]:
    fields = [
        Struct.Field(
            key=name.replace("__", ".").encode(),
            value=Value(string_value=value) if isinstance(value, bytes) else Value(number_value=value),
        )
        for name, value in values.items()
    ]
    return [ProcessingAttributes(key=b"envoy.filters.http.ext_proc", value=Struct(fields=fields))]


def request(*, ended: bool = True, pair: bytes = b"1", **more: bytes | float) -> ProcessingRequest:
    headers = header_map(
        (b":method", b"GET"), (b":path", b"/a?b"), (b":authority", b"shop"), (b"x-mirrordiff-pair", pair)
    )
    return ProcessingRequest(
        request_headers=ProcessingHeaders(headers=headers, end_of_stream=ended), attributes=attributes(**more)
    )


def response(
    status: bytes = b"200", *pairs: tuple[bytes, bytes], ended: bool = False, **more: bytes | float
) -> ProcessingRequest:
    headers = header_map((b":status", status), *pairs)
    return ProcessingRequest(
        response_headers=ProcessingHeaders(headers=headers, end_of_stream=ended),
        attributes=attributes(**more),
    )


def body(data: bytes, *, ended: bool = False) -> ProcessingRequest:
    return ProcessingRequest(response_body=ProcessingBody(body=data, end_of_stream=ended))


def trailers(*pairs: tuple[bytes, bytes]) -> ProcessingRequest:
    return ProcessingRequest(response_trailers=ProcessingTrailers(trailers=header_map(*pairs)))


def assembled(
    events: Sequence[ProcessingRequest], role: str = "shadow", *, last: bool | None = None
) -> Keyed:
    """What comes of the events; ``last`` says whether only the last of them is to end the exchange."""
    assembly = Assembly(CAP)
    done = [assembly.feed(event.SerializeToString(), 10 * at) for at, event in enumerate(events, 1)]
    if last is not None:
        assert done == [False] * (len(events) - 1) + [last]
    return assembly.keyed(Recorder(Source(ROLES[role], "orders", "v1"), Redaction(), CAP), b"id")


def test_an_ordinary_exchange() -> None:
    capture = assembled(
        [request(), response(b"201", (b"a", b"1"), (b"a", b"2")), body(b"xy"), body(b"", ended=True)],
        last=True,
    ).capture
    assert (capture.method, capture.path, capture.authority) == ("GET", "/a?b", "shop")
    assert (capture.status, capture.headers, capture.body) == (201, b"a: 1\r\na: 2", b"xy")
    assert (capture.end, capture.started_us, capture.duration_us) == (END_COMPLETE, 10, 30)


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_headers_may_be_the_end(status: bytes) -> None:
    assert assembled([request(), response(status, ended=True)], last=True).capture.end == END_COMPLETE


def test_trailers_are_the_end() -> None:
    capture = assembled(
        [request(), response(), body(b"x"), trailers((b"grpc-status", b"0"))], last=True
    ).capture
    assert (capture.end, capture.trailers, capture.body) == (END_COMPLETE, b"grpc-status: 0", b"x")


def test_an_upgrade_is_over_at_once() -> None:
    assert assembled([request(), response(b"101")], last=True).capture.end == END_UPGRADE


@given(st.binary(min_size=CAP + 1, max_size=3 * CAP), st.integers(1, CAP))
def test_a_body_over_the_cap_ends_it_there(data: bytes, step: int) -> None:
    chunks = [body(data[at : at + step]) for at in range(0, len(data), step)]
    assembly = Assembly(CAP)
    done = [assembly.feed(event.SerializeToString(), 0) for event in (request(), response(), *chunks)]
    assert done.index(True) == 2 + CAP // step
    capture = assembly.keyed(Recorder(Source(ROLES["shadow"], "o", ""), Redaction(), CAP), b"id").capture
    assert (capture.end, capture.body) == (END_TRUNCATED, data[:CAP])


@given(st.binary(max_size=CAP), st.integers(1, CAP))
def test_a_body_comes_through_however_it_is_cut(data: bytes, step: int) -> None:
    chunks = [body(data[at : at + step]) for at in range(0, len(data), step)]
    capture = assembled([request(), response(), *chunks, body(b"", ended=True)], last=True).capture
    assert (capture.end, capture.body) == (END_COMPLETE, data)


@pytest.mark.parametrize(
    ("events", "role", "end", "detail"),
    [
        ([request()], "shadow", END_NO_RESPONSE, "timeout or reset"),
        ([request()], "primary", END_ABORTED, "reader went away"),
        ([request(ended=False)], "shadow", END_ABORTED, "reader went away"),
        ([request(), response(), body(b"x")], "shadow", END_NO_RESPONSE, "cut off"),
        ([request(), response(), body(b"x")], "primary", END_ABORTED, "reader went away"),
    ],
)
def test_a_stream_that_just_closes(events: list[ProcessingRequest], role: str, end: int, detail: str) -> None:
    capture = assembled(events, role).capture
    assert (capture.end, capture.end_detail) == (end, detail)


@pytest.mark.parametrize(
    ("flags", "detail"), [(4.0, "timeout"), (32.0, "connection failed"), (64.0, "reset"), (128.0, "overflow")]
)
def test_an_answer_of_the_proxy_is_none_of_the_service(flags: float, detail: str) -> None:
    local = response(b"503", ended=True, response__code_details=b"local", response__flags=flags)
    capture = assembled([request(), local], last=True).capture
    assert (capture.end, capture.end_detail, capture.status) == (END_NO_RESPONSE, detail, 0)


def test_the_time_is_up() -> None:
    for events, end in (([request()], END_NO_RESPONSE), ([request(), response()], END_TRUNCATED)):
        assembly = Assembly(CAP)
        for event in events:
            assembly.feed(event.SerializeToString(), 0)
        assembly.timed_out()
        keyed = assembly.keyed(Recorder(Source(ROLES["shadow"], "o", ""), Redaction(), CAP), b"id")
        assert keyed.capture.end == end


def test_the_attempt_is_told_by_header_or_attribute() -> None:
    counted = request(upstream__request_attempt_count=3.0)
    assert assembled([counted, response(ended=True)]).capture.attempt == 3


def test_the_trace_context_is_that_of_the_request() -> None:
    asked = request()
    context = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    asked.request_headers.headers.headers.add(key=b"traceparent", raw_value=context)
    answered = response(b"200", (b"traceparent", context.replace(b"b7ad", b"c7ad")), ended=True)
    assert assembled([asked, answered]).capture.traceparent == context.decode()


def test_request_bodies_tell_requests_under_one_id_apart() -> None:
    def key(*data: bytes) -> bytes:
        parts = [ProcessingRequest(request_body=ProcessingBody(body=one)) for one in data]
        parts.append(ProcessingRequest(request_body=ProcessingBody(end_of_stream=True)))
        asked = request(ended=False, pair=b"")
        asked.request_headers.headers.headers.add(key=b"x-request-id", raw_value=b"constant")
        return assembled([asked, *parts, response(ended=True)]).pair

    assert key(b"ab", b"c") == key(b"abc") != key(b"abd")
    assert key() == key(b"")


def test_what_cannot_be_read_or_matched_is_told() -> None:
    with pytest.raises(Unusable, match="unreadable_message"):
        Assembly(CAP).feed(b"\xff", 0)
    with pytest.raises(Unusable, match="no_request_id"):
        assembled([request(pair=b""), response(ended=True)])
