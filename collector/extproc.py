"""Serves Envoy's external processing in observability mode: reads what passes, says nothing.

Each mirrored exchange is one RPC, which ends here as soon as nothing further is needed of it: at the
last event, at the body's cap, at the time cap, at an upgrade, or where memory for unfinished ones
is used up. Nothing in it waits: a proxy's flow control would hold up the live response.
"""

from __future__ import annotations

import time
from typing import Final

from collector.assembly import Assembly
from collector.captured import Source, Unusable, source_from, text_of
from collector.clusters import Clusters
from collector.http2.blocks import Headers
from collector.intake import NOT_NAMED, Intake
from collector.rpc import Ending

METHOD: Final = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"

ROLE, SERVICE, VERSION = b"x-mirrordiff-role", b"x-mirrordiff-service", b"x-mirrordiff-version"
"""Initial metadata of the RPC, by which a proxy says whose responses it sends."""


class Exchange:
    """One RPC's worth: what to do with each message, and with what came together at its end."""

    lasting = False

    def __init__(self, intake: Intake, clusters: Clusters, metadata: Headers) -> None:
        self._intake = intake
        self._clusters = clusters
        self._assembly = Assembly(intake.body_cap, intake.request_cap)
        self._source: Source | None = None
        self._over = False
        intake.metrics.open_streams += 1
        if metadata.get(ROLE):
            try:
                names = [text_of(metadata.get(name, b"")) for name in (ROLE, SERVICE, VERSION)]
                self._source = source_from(*names)
            except Unusable as error:
                self.refuse(error.reason)

    def feed(self, message: bytes) -> bool:
        """Take a message; True where the RPC is to end. May be called after that, and does nothing."""
        if self._over:
            return True
        assembly = self._assembly
        before = assembly.size
        try:
            complete = assembly.feed(message, time.time_ns() // 1000)
        except Unusable as error:
            self.refuse(error.reason)
            return True
        room = self._intake.hold(assembly.size - before)
        if self._source is None and assembly.cluster:
            self._source = self._clusters.source_of(assembly.cluster)
            if self._source is None:
                self.refuse(NOT_NAMED)
                return True
        if not complete and room < 0:
            self.refuse("assembly_full")
            return True
        return complete

    def end(self, ending: Ending) -> None:
        """Make the capture of what has come."""
        if ending is Ending.OVERDUE:
            self._assembly.timed_out()
        elif ending is Ending.LOST:
            self._assembly.lost()
        intake, source, assembly = self._intake, self._source, self._assembly
        intake.metrics.open_streams -= 1
        intake.hold(-assembly.size)
        if self._over:
            return
        if source is None or not assembly.begun:
            self.refuse("unknown_role" if assembly.begun else "cut_short")
            return
        intake.received(source, 1)
        try:
            intake.take(assembly.keyed(intake.recorder(source), intake.new_id()))
        except Unusable as error:
            intake.unusable(source.service, error.reason)

    def refuse(self, reason: str) -> None:
        """Count it as lost; nothing further is made of it."""
        if not self._over:
            self._over = True
            self._intake.unusable(self._source.service if self._source else "", reason)
