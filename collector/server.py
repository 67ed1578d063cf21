"""Receives Envoy's access log streams, and hands each entry on.

Nothing here ever waits for Redis. An entry that cannot be used is counted by reason and costs none of
the entries around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import DecodeError

from collector.captured import Source, Unusable
from collector.envoy_accesslog import Translator, source_of
from collector.intake import Intake
from collector.rpc import Ending
from mirrordiff.envoy.accesslog_pb2 import StreamAccessLogsMessage
from mirrordiff.process.logs import logger

METHOD: Final = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

log = logger("collector.server")


class AccessLogStream:
    """One stream, as long as its proxy's worker lives; a message that cannot be read does not end it."""

    lasting = True

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._source: Source | None = None
        self._translator: Translator | None = None
        self._unusable = "no_identifier"
        intake.metrics.open_streams += 1

    def feed(self, message: bytes) -> bool:
        """Take a message; never the last."""
        try:
            batch = StreamAccessLogsMessage.FromString(message)
        except DecodeError:
            self.refuse("unreadable_message")
            return False
        if batch.HasField("identifier"):
            try:
                self._source = source_of(batch.identifier)
                self._translator = Translator(self._intake.recorder(self._source))
            except Unusable as error:
                self._source, self._translator, self._unusable = None, None, error.reason
                log.warning("unusable_stream", reason=error.reason)
        entries = batch.http_logs.log_entry
        if self._source is None or self._translator is None:
            self._intake.unusable("", self._unusable, len(entries))
        else:
            self._take(self._source, self._translator, entries)
        return False

    def refuse(self, reason: str) -> None:
        """Count a message, or what should have been one."""
        self._intake.unusable("", reason)
        log.warning(reason)

    def end(self, ending: Ending) -> None:  # noqa: ARG002 - as Call
        """All that came has been handed on already."""
        self._intake.metrics.open_streams -= 1

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
