"""The gRPC side: receives Envoy's access log streams and hands each entry on.

Nothing in a read loop ever waits for Redis. An entry that cannot be used is counted by reason and
costs none of the entries around it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterable
from typing import Final

import grpc
from google.protobuf.message import DecodeError

from collector.envoy_accesslog import Source, Translator, Unusable, source_of
from collector.metrics import Metrics
from collector.redaction import Redaction
from collector.sink import Sink
from mirrordiff.envoy.accesslog_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from mirrordiff.process.logs import logger
from mirrordiff.v1.capture_pb2 import End, Role

METHOD: Final = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

LARGEST_MESSAGE: Final = 64 * 1024 * 1024
"""A proxy ships a batch once it is over its buffer size, whatever the size of the last entry."""

log = logger("collector.server")

_ROLE_NAMES = {number: name.removeprefix("ROLE_").lower() for name, number in Role.items()}
_END_NAMES = {number: name.removeprefix("END_").lower() for name, number in End.items()}


class AccessLogHandler(grpc.GenericRpcHandler):
    """Serves ``StreamAccessLogs``; messages are parsed here, so that a bad one does not end the stream."""

    def __init__(self, sink: Sink, redaction: Redaction, body_cap: int, metrics: Metrics) -> None:
        self._sink = sink
        self._redaction = redaction
        self._body_cap = body_cap
        self._metrics = metrics
        # Unique to this process, so that no two collectors ever give out one capture id.
        self._id_prefix = secrets.token_bytes(6)
        self._next_id = 0

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, StreamAccessLogsResponse] | None:
        if handler_call_details.method != METHOD:
            return None
        return grpc.stream_unary_rpc_method_handler(
            self._stream,
            request_deserializer=None,
            response_serializer=StreamAccessLogsResponse.SerializeToString,
        )

    async def _stream(
        self,
        messages: AsyncIterator[bytes],
        context: grpc.aio.ServicerContext[bytes, StreamAccessLogsResponse],  # noqa: ARG002
    ) -> StreamAccessLogsResponse:
        self._metrics.open_streams += 1
        source: Source | None = None
        translator: Translator | None = None
        unusable = "no_identifier"
        try:
            async for raw in messages:
                try:
                    message = StreamAccessLogsMessage.FromString(raw)
                except DecodeError:
                    self._metrics.dropped["", "unreadable_message"] += 1
                    log.warning("unreadable_message", bytes=len(raw))
                    continue
                if message.HasField("identifier"):
                    try:
                        source = source_of(message.identifier)
                        translator = Translator(source, self._redaction, self._body_cap)
                    except Unusable as error:
                        source, translator, unusable = None, None, error.reason
                        log.warning("unusable_stream", reason=error.reason)
                entries = message.http_logs.log_entry
                if source is None or translator is None:
                    self._metrics.dropped["", unusable] += len(entries)
                    continue
                self._take(source, translator, entries)
        finally:
            self._metrics.open_streams -= 1
        return StreamAccessLogsResponse()

    def _take(self, source: Source, translator: Translator, entries: Iterable[bytes]) -> None:
        service, role = source.service, source.role
        received = 0
        for entry in entries:
            received += 1
            self._next_id += 1
            try:
                keyed = translator.capture(entry, self._id_prefix + self._next_id.to_bytes(6, "big"))
            except Unusable as error:
                self._metrics.dropped[service, error.reason] += 1
                continue
            capture = keyed.capture
            self._metrics.ended[service, _ROLE_NAMES[role], _END_NAMES[capture.end]] += 1
            self._sink.offer(keyed.pair, capture)
        self._metrics.received[service, _ROLE_NAMES[role]] += received
