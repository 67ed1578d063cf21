"""Access log entries as Envoy ships them, for tests and benchmarks."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from mirrordiff.envoy.accesslog_pb2 import (
    AccessLogCommon,
    HttpAccessLogEntry,
    HttpRequestProperties,
    HttpResponseProperties,
    Metadata,
    ResponseFlags,
    StreamAccessLogsMessage,
    Struct,
    Time,
    Value,
)

JSON = (("content-type", "application/json"),)


def shipped(
    body: bytes, headers: Sequence[tuple[str, str]] = JSON, trailers: Sequence[tuple[str, str]] = ()
) -> bytes:
    """What the capture filter puts into the metadata of a response."""
    lines = [":status: 200", *(f"{name}: {value}" for name, value in headers)]
    head = "\r\n".join(["1", *lines]).encode("latin-1")
    tail = "\r\n".join(f"{name}: {value}" for name, value in trailers).encode("latin-1")
    return b64encode(head + b"\r\n\r\n" + tail + b"\r\n\r\n" + body)


def entry(
    response: bytes | None = None,
    *,
    pair: bytes = b"",
    request_id: bytes = b"6e7ae35c-7d0e-4ff9-b0fb-a37ba1fdf2d2",
    path: bytes = b"/orders/1",
    status: int = 200,
    body_size: int | None = None,
    details: bytes = b"via_upstream",
    attempt: bytes = b"",
    traceparent: bytes = b"",
    flags: ResponseFlags | None = None,
) -> HttpAccessLogEntry:
    """One entry; ``response`` as `shipped` gives it, None where the filter shipped nothing."""
    headers = [HttpRequestProperties.Header(key=b"x-mirrordiff-pair", value=pair)] if pair else []
    if attempt:
        headers.append(HttpRequestProperties.Header(key=b"x-envoy-attempt-count", value=attempt))
    if traceparent:
        headers.append(HttpRequestProperties.Header(key=b"traceparent", value=traceparent))
    fields = []
    if response is not None:
        fields.append(Struct.Field(key=b"response", value=Value(string_value=response)))
    if body_size is not None:
        fields.append(Struct.Field(key=b"body_size", value=Value(string_value=b"%d" % body_size)))
    metadata = Metadata(
        filter_metadata=[Metadata.FilterMetadata(key=b"mirrordiff", value=Struct(fields=fields))]
    )
    return HttpAccessLogEntry(
        common_properties=AccessLogCommon(
            start_time=Time(seconds=1_795_000_000, nanos=250_000_000),
            time_to_last_upstream_rx_byte=Time(nanos=12_000_000),
            response_flags=flags,
            metadata=metadata if fields else None,
        ),
        request=HttpRequestProperties(
            request_method=1, path=path, request_id=request_id, authority=b"shop", request_headers=headers
        ),
        response=HttpResponseProperties(
            response_code=HttpResponseProperties.UInt32Value(value=status), response_code_details=details
        ),
    )


def message(log_name: str, entries: Sequence[HttpAccessLogEntry | bytes]) -> bytes:
    """A batch as it stands on the wire, with the identifier that the first one of a stream carries."""
    raw = [item if isinstance(item, bytes) else item.SerializeToString() for item in entries]
    return StreamAccessLogsMessage(
        identifier=StreamAccessLogsMessage.Identifier(log_name=log_name.encode()) if log_name else None,
        http_logs=StreamAccessLogsMessage.HttpAccessLogEntries(log_entry=raw),
    ).SerializeToString()
