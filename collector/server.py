"""The gRPC side: receives Envoy's access log streams and hands each entry on.

Nothing in a read loop ever waits for Redis. An entry that cannot be used is counted by reason and
costs none of the entries around it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final

import grpc
from google.protobuf.message import DecodeError

from collector.captured import Source, Unusable
from collector.envoy_accesslog import Translator, source_of
from collector.intake import Intake
from mirrordiff.envoy.accesslog_pb2 import StreamAccessLogsMessage, StreamAccessLogsResponse
from mirrordiff.process.logs import logger

METHOD: Final = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

LARGEST_MESSAGE: Final = 64 * 1024 * 1024
"""A proxy ships a batch once it is over its buffer size, whatever the size of the last entry."""

OPTIONS: Final = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.so_reuseport", 0),
    # A proxy asks every few seconds whether this end still lives. gRPC takes the third time, with nothing
    # said here meanwhile, for an attack, and closes the connection with all exchanges on it.
    ("grpc.http2.max_ping_strikes", 0),
)
"""Of the server."""

log = logger("collector.server")


class AccessLogHandler(grpc.GenericRpcHandler):
    """Serves ``StreamAccessLogs``; messages are parsed here, so that a bad one does not end the stream."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

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
        self._intake.metrics.open_streams += 1
        source: Source | None = None
        translator: Translator | None = None
        unusable = "no_identifier"
        try:
            async for raw in messages:
                try:
                    message = StreamAccessLogsMessage.FromString(raw)
                except DecodeError:
                    self._intake.unusable("", "unreadable_message")
                    log.warning("unreadable_message", bytes=len(raw))
                    continue
                if message.HasField("identifier"):
                    try:
                        source = source_of(message.identifier)
                        translator = Translator(self._intake.recorder(source))
                    except Unusable as error:
                        source, translator, unusable = None, None, error.reason
                        log.warning("unusable_stream", reason=error.reason)
                entries = message.http_logs.log_entry
                if source is None or translator is None:
                    self._intake.unusable("", unusable, len(entries))
                    continue
                self._take(source, translator, entries)
        finally:
            self._intake.metrics.open_streams -= 1
        return StreamAccessLogsResponse()

    def _take(self, source: Source, translator: Translator, entries: Iterable[bytes]) -> None:
        intake = self._intake
        received = 0
        for entry in entries:
            received += 1
            try:
                keyed = translator.capture(entry, intake.new_id())
            except Unusable as error:
                intake.unusable(source.service, error.reason)
                continue
            intake.take(keyed)
        intake.received(source, received)
