"""One exchange, put together from what Envoy's external processing filter sends of it. No I/O.

::

    request headers → request body* → [request trailers]
    → response headers → response body* → [response trailers]

What of it is the end differs, and for some exchanges there is none:

==========================================  ==========================================================
exchange                                    its last event
==========================================  ==========================================================
ordinary                                    response body with ``end_of_stream``, often an empty one
HEAD, 204, 304, gRPC refused at once        response headers with ``end_of_stream``
gRPC, or any with trailers                  response trailers
upgrade                                     never: the response headers with status 101 are taken for it
body longer than the cap                    the chunk that reaches the cap is taken for it
timeout, reset                              none; Envoy closes the stream some seconds later
==========================================  ==========================================================

Events of the two directions may interleave.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from collector.captured import OVER_THE_CAP, Asked, Keyed, Recorder, Unusable, attempt_of, text_of
from collector.pairing import PAIR_HEADER
from mirrordiff.envoy.extproc_pb2 import HeaderMap, ProcessingBody, ProcessingHeaders, ProcessingRequest
from mirrordiff.request_body import HASHED
from mirrordiff.v1.capture_pb2 import (
    END_ABORTED,
    END_COMPLETE,
    END_NO_RESPONSE,
    END_TRUNCATED,
    END_UPGRADE,
    ROLE_PRIMARY,
    End,
)

_ATTRIBUTES: Final = b"envoy.filters.http.ext_proc"

# Envoy, envoy/stream_info/stream_info.h: CoreResponseFlag, as bits
_FAULTS: Final = (
    (1 << 2, "timeout"),
    (1 << 5, "connection failed"),
    (1 << 4 | 1 << 6, "reset"),
    (1 << 7, "overflow"),
)


class Assembly:
    """Takes messages until ``feed`` says that it has all it needs, or one of the other endings comes.

    ``body_cap`` bytes are kept of the response's body, ``request_cap`` of the request's.
    """

    def __init__(self, body_cap: int, request_cap: int = HASHED) -> None:
        self._body_cap = body_cap
        self.size = 0
        self.cluster = ""
        self._method = ""
        self._request: dict[bytes, bytes] = {}
        self._request_map = HeaderMap()
        self._request_body: list[bytes] = []
        self._request_room = request_cap
        self._request_size = 0
        self._request_ended = False
        self._attempt = 0
        self._status = 0
        self._head = b""
        self._trailers = b""
        self._body: list[bytes] = []
        self._kept = 0
        self._body_size = 0
        self._answered = False
        self._end: End.ValueType = END_NO_RESPONSE
        self._detail = ""
        self._final = False
        self._started_us = 0
        self._ended_us = 0

    @property
    def begun(self) -> bool:
        """Whether there is a request."""
        return bool(self._request)

    def feed(self, message: bytes, now_us: int) -> bool:
        """Take one message; True where nothing further is needed.

        Raises Unusable(unreadable_message).
        """
        try:
            event = ProcessingRequest.FromString(message)
        except DecodeError:
            raise Unusable("unreadable_message") from None
        self._ended_us = now_us
        if not event.HasField("request_body"):
            self.size += len(message)
        for attributes in event.attributes:
            if attributes.key == _ATTRIBUTES:
                self._take_attributes(
                    {
                        field.key: field.value.string_value or field.value.number_value
                        for field in attributes.value.fields
                    }
                )
        if event.HasField("response_body"):
            self._take_body(event.response_body)
        elif event.HasField("response_headers"):
            self._take_response(event.response_headers)
        elif event.HasField("request_headers"):
            self._take_request(event.request_headers, now_us)
        elif event.HasField("request_body"):
            self._take_request_body(event.request_body)
        elif event.HasField("response_trailers"):
            self._trailers = _lines(event.response_trailers.trailers)
            self._finish(END_COMPLETE)
        elif event.HasField("request_trailers"):
            self._request_ended = True
        return self._final

    def closed(self, *, primary: bool) -> None:
        """Envoy has closed the stream: what is missing will not come."""
        if self._final:
            return
        if primary or not self._request_ended:
            # A client may go away at any time; a reset from the service looks the same from here.
            self._finish(END_ABORTED, "reader went away")
        else:
            # Nobody but the mirroring proxy reads a mirrored response, and that waits until the timeout.
            self._finish(END_NO_RESPONSE, "cut off" if self._answered else "timeout or reset")

    def lost(self) -> None:
        """The connection to the proxy is gone, or this process ends: v2 has no part in what is missing."""
        self._finish(END_ABORTED, "no longer followed")

    def timed_out(self) -> None:
        """The time is up that an exchange may take."""
        if self._answered:
            self._finish(END_TRUNCATED, "over the time cap")
        else:
            self._finish(END_NO_RESPONSE, "timeout")

    def keyed(self, recorder: Recorder, capture_id: bytes) -> Keyed:
        """The capture. Raises Unusable(no_request_id)."""
        self.closed(primary=recorder.source.role == ROLE_PRIMARY)
        request = self._request
        answered = self._answered and (self._end != END_NO_RESPONSE or self._detail == "cut off")
        return recorder.record(
            capture_id,
            pair_id=request.get(PAIR_HEADER, b""),
            request_id=request.get(b"x-request-id", b""),
            method=self._method,
            path=request.get(b":path", b""),
            authority=request.get(b":authority", b""),
            status=self._status if answered else 0,
            head=self._head if answered else b"",
            body=b"".join(self._body) if answered else b"",
            trailers=self._trailers if answered else b"",
            end=self._end,
            detail=self._detail,
            started_us=self._started_us,
            duration_us=max(0, self._ended_us - self._started_us),
            body_size=self._body_size,
            attempt=self._attempt or attempt_of(request.get(b"x-envoy-attempt-count", b"")),
            asked=self._asked(recorder),
            traceparent=request.get(b"traceparent", b""),
        )

    def _asked(self, recorder: Recorder) -> Asked:
        head = _lines(self._request_map) if recorder.keeps_requests else b""
        if not self._request_ended:
            return Asked(head)
        return Asked(head, b"".join(self._request_body), self._request_size)

    def _take_attributes(self, attributes: dict[bytes, bytes | float]) -> None:
        cluster = attributes.get(b"xds.cluster_name")
        if isinstance(cluster, bytes) and cluster:
            self.cluster = text_of(cluster)
        attempt = attributes.get(b"upstream.request_attempt_count")
        if isinstance(attempt, float) and 0 < attempt < 128:
            self._attempt = int(attempt)
        details, flags = attributes.get(b"response.code_details"), attributes.get(b"response.flags")
        if details and details != b"via_upstream" and isinstance(flags, float):
            # The proxy answered in the service's place.
            for bits, fault in _FAULTS:
                if int(flags) & bits:
                    self._finish(END_NO_RESPONSE, fault)
                    return

    def _take_request(self, headers: ProcessingHeaders, now_us: int) -> None:
        for header in headers.headers.headers:
            self._request.setdefault(header.key, header.raw_value or header.value)
        self._request_map = headers.headers
        self._method = text_of(self._request.get(b":method", b""))
        self._request_ended = headers.end_of_stream
        self._started_us = now_us

    def _take_request_body(self, chunk: ProcessingBody) -> None:
        self._request_size += len(chunk.body)
        self._request_ended |= chunk.end_of_stream
        if self._request_room > 0 and chunk.body:
            kept = chunk.body[: self._request_room]
            self._request_body.append(kept)
            self._request_room -= len(kept)
            self.size += len(kept)

    def _take_response(self, headers: ProcessingHeaders) -> None:
        self._answered = True
        for header in headers.headers.headers:
            if header.key == b":status":
                status = header.raw_value or header.value
                self._status = int(status) if status.isdigit() and len(status) == 3 else 0
        self._head = _lines(headers.headers)
        if self._status == 101:
            self._finish(END_UPGRADE)
        elif headers.end_of_stream:
            self._finish(END_COMPLETE)

    def _take_body(self, chunk: ProcessingBody) -> None:
        self._body_size += len(chunk.body)
        if self._kept <= self._body_cap:
            self._body.append(chunk.body)
            self._kept += len(chunk.body)
        if self._body_size > self._body_cap:
            self._finish(END_TRUNCATED, OVER_THE_CAP)
        elif chunk.end_of_stream:
            self._finish(END_COMPLETE)

    def _finish(self, end: End.ValueType, detail: str = "") -> None:
        if not self._final:
            self._final, self._end, self._detail = True, end, detail


def _lines(headers: HeaderMap) -> bytes:
    return b"\r\n".join(
        [
            header.key + b": " + (header.raw_value or header.value)
            for header in headers.headers
            if not header.key.startswith(b":")
        ]
    )
