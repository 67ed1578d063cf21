"""Envoy's access log entries → captures. Pure; the one place that knows how Envoy tells it.

An entry says how the request went, and carries in its dynamic metadata, under ``mirrordiff``, what
the capture filter (deploy/envoy/capture.lua) copied:

``response``
    base64 of ``"1"``, header lines, empty line, trailer lines, empty line, body; lines end in CR LF
``body_size``
    decimal length of the whole body, of which ``response`` holds the head up to the filter's cap
``request``
    base64 of the head of the request's body, where there is one that is needed
``request_size``
    decimal length of that whole body
"""

from __future__ import annotations

import binascii
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError
from pybase64 import b64decode

from collector.captured import (
    NOTHING,
    Asked,
    Keyed,
    Recorder,
    Source,
    Unusable,
    attempt_of,
    source_from,
    text_of,
)
from collector.pairing import PAIR_HEADER
from mirrordiff.envoy.accesslog_pb2 import HttpAccessLogEntry, Node, ResponseFlags, StreamAccessLogsMessage
from mirrordiff.v1.capture_pb2 import (
    END_ABORTED,
    END_COMPLETE,
    END_NO_RESPONSE,
    END_NOT_CAPTURED,
    END_UPGRADE,
    ROLE_PRIMARY,
    End,
    Role,
)

NAMESPACE: Final = b"mirrordiff"
_VERSION_LINE: Final = b"1\r\n"
_MOST_BASE64: Final = 24 * 1024 * 1024  # above the largest cap that the filter can be given, encoded

# envoy.config.core.v3.RequestMethod
_METHODS: Final = ("", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")

_VERSION_LABELS: Final = (b"pod-template-hash", b"rollouts-pod-template-hash", b"version")
"""Labels of a pod that tell one build from another, best first."""


def source_of(identifier: StreamAccessLogsMessage.Identifier) -> Source:
    """Who speaks on this stream, from its log name ``role[/service[/version]]``.

    What the name leaves out comes from the node: its cluster is the service, its pod's labels tell
    the build. Raises Unusable(unknown_role) or Unusable(unknown_service).
    """
    role, _, rest = text_of(identifier.log_name).partition("/")
    service, _, version = rest.partition("/")
    service = service or text_of(identifier.node.cluster)
    return source_from(role, service, version or _build_of(identifier.node))


def _build_of(node: Node) -> str:
    for field in node.metadata.fields:
        if field.key == b"LABELS":
            labels = {label.key: label.value.string_value for label in field.value.struct_value.fields}
            for name in _VERSION_LABELS:
                if labels.get(name):
                    return text_of(labels[name])
    return ""


class Translator:
    """Turns entries of one stream into captures."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._role = recorder.source.role

    def capture(self, entry: bytes, capture_id: bytes) -> Keyed:
        """The capture in one entry. Raises Unusable with the reason; nothing else."""
        try:
            log = HttpAccessLogEntry.FromString(entry)
        except DecodeError:
            raise Unusable("unreadable_entry") from None
        common, request = log.common_properties, log.request
        method = _METHODS[request.request_method] if request.request_method < len(_METHODS) else ""
        pair_id, attempt, traceparent = b"", 0, b""
        for header in request.request_headers:
            if header.key == PAIR_HEADER:
                pair_id = header.value
            elif header.key == b"x-envoy-attempt-count":
                attempt = attempt_of(header.value)
            elif header.key == b"traceparent":
                traceparent = header.value
        shipped = _shipped_in(log)
        head, trailers, body, body_size = _response_in(shipped)
        end, detail = _ending(log, self._role, captured=head is not None)
        start, took = common.start_time, common.time_to_last_upstream_rx_byte
        if not (took.seconds or took.nanos):
            took = common.duration
        answered = end != END_NO_RESPONSE or detail == "cut off"
        return self._recorder.record(
            capture_id,
            pair_id=pair_id,
            request_id=request.request_id,
            method=method,
            path=request.path,
            authority=request.authority,
            status=log.response.response_code.value if answered else 0,
            head=head if head is not None and answered else b"",
            body=body if answered else b"",
            trailers=trailers if answered else b"",
            end=end,
            detail=detail,
            started_us=start.seconds * 1_000_000 + start.nanos // 1000,
            duration_us=took.seconds * 1_000_000 + took.nanos // 1000,
            body_size=body_size,
            attempt=attempt,
            asked=self._asked(log, shipped),
            traceparent=traceparent,
        )

    def _asked(self, log: HttpAccessLogEntry, shipped: _Shipped) -> Asked:
        head = b""
        if self._recorder.keeps_requests:
            lines = [header.key + b": " + header.value for header in log.request.request_headers]
            head = b"\r\n".join(lines)
        elif not shipped.request:
            return NOTHING
        return Asked(head, _decoded(shipped.request, "unreadable_request"), _length(shipped.request_size))


class _Shipped(NamedTuple):
    """What the filter has left in an entry, as it stands there."""

    response: bytes = b""
    body_size: bytes = b""
    request: bytes = b""
    request_size: bytes = b""


_FIELDS: Final = {name.encode(): name for name in _Shipped._fields}


def _shipped_in(log: HttpAccessLogEntry) -> _Shipped:
    for namespace in log.common_properties.metadata.filter_metadata:
        if namespace.key == NAMESPACE:
            return _Shipped(
                **{
                    _FIELDS[field.key]: field.value.string_value
                    for field in namespace.value.fields
                    if field.key in _FIELDS
                }
            )
    return _Shipped()


def _decoded(encoded: bytes, otherwise: str) -> bytes:
    if len(encoded) > _MOST_BASE64:
        raise Unusable("oversized_entry")
    try:
        return b64decode(encoded, validate=True)
    except binascii.Error:
        raise Unusable(otherwise) from None


def _length(size: bytes) -> int:
    return int(size) if size.isdigit() and len(size) < 16 else 0


def _response_in(shipped: _Shipped) -> tuple[bytes | None, bytes, bytes, int]:
    """Header lines (None where nothing was shipped), trailer lines, body, length of the whole body."""
    if not shipped.response:
        return None, b"", b"", 0
    parts = _decoded(shipped.response, "unreadable_response").split(b"\r\n\r\n", 2)
    if len(parts) != 3 or not parts[0].startswith(_VERSION_LINE[:1]):
        raise Unusable("unreadable_response")
    head = parts[0][len(_VERSION_LINE) :]
    if head.startswith(b":status:"):
        head = head.partition(b"\r\n")[2]
    return head, parts[1], parts[2], _length(shipped.body_size)


def _ending(log: HttpAccessLogEntry, role: Role.ValueType, *, captured: bool) -> tuple[End.ValueType, str]:
    if log.response.response_code.value == 101:
        return END_UPGRADE, ""
    flags = log.common_properties.response_flags
    via_upstream = log.response.response_code_details == b"via_upstream"
    fault = _upstream_fault(flags)
    if fault and not via_upstream:
        return END_NO_RESPONSE, fault
    if captured:
        return END_COMPLETE, ""
    if fault:
        return END_NO_RESPONSE, "cut off"
    if flags.downstream_connection_termination or flags.downstream_remote_reset:
        # Nobody reads a mirrored response but the mirroring proxy, and that stops only when it has
        # waited long enough. A primary's reader is the client, who may go away at any time.
        if role != ROLE_PRIMARY and not log.response.response_code.value:
            return END_NO_RESPONSE, "timeout"
        return END_ABORTED, "reader went away"
    if not log.response.response_code.value:
        return END_NO_RESPONSE, "no status"
    return END_NOT_CAPTURED, ""


def _upstream_fault(flags: ResponseFlags) -> str:
    if flags.upstream_request_timeout or flags.duration_timeout or flags.stream_idle_timeout:
        return "timeout"
    if flags.upstream_connection_failure:
        return "connection failed"
    if flags.upstream_remote_reset or flags.upstream_connection_termination:
        return "reset"
    if flags.upstream_protocol_error:
        return "protocol error"
    if flags.upstream_overflow:
        return "overflow"
    return ""
