"""Serves Envoy's external processing in observability mode: reads what passes, says nothing.

Each mirrored exchange is one RPC, which ends here as soon as nothing further is needed of it: at the
last event, at the body's cap, at the time cap, at an upgrade, or where memory for unfinished ones
is used up. Nothing in a read loop waits: a proxy's flow control would hold up the live response.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

import grpc

from collector.assembly import Assembly
from collector.captured import Source, Unusable, source_from
from collector.clusters import Clusters
from collector.intake import NOT_NAMED, Intake

METHOD: Final = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"

ROLE, SERVICE, VERSION = "x-mirrordiff-role", "x-mirrordiff-service", "x-mirrordiff-version"
"""Initial metadata of the RPC, by which a proxy says whose responses it sends."""


class Exchange:
    """One RPC's worth: what to do with each message, and with what came together at its end."""

    def __init__(self, intake: Intake, clusters: Clusters, metadata: dict[str, str]) -> None:
        self._intake = intake
        self._clusters = clusters
        self._assembly = Assembly(intake.body_cap, intake.request_cap)
        self._source: Source | None = None
        self._over = False
        intake.metrics.open_streams += 1
        if role := metadata.get(ROLE):
            try:
                self._source = source_from(role, metadata.get(SERVICE, ""), metadata.get(VERSION, ""))
            except Unusable as error:
                self._refuse(error.reason)

    def feed(self, message: bytes) -> bool:
        """Take a message; True where the RPC is to end. May be called after that, and does nothing."""
        if self._over:
            return True
        assembly, metrics = self._assembly, self._intake.metrics
        before = assembly.size
        try:
            complete = assembly.feed(message, time.time_ns() // 1000)
        except Unusable as error:
            self._refuse(error.reason)
            return True
        metrics.assembling_bytes += assembly.size - before
        if self._source is None and assembly.cluster:
            self._source = self._clusters.source_of(assembly.cluster)
            if self._source is None:
                self._refuse(NOT_NAMED)
                return True
        if not complete and metrics.assembling_bytes > self._intake.most_assembling:
            self._refuse("assembly_full")
            return True
        return complete

    def timed_out(self) -> None:
        """The time is up that an exchange may take."""
        self._assembly.timed_out()

    def end(self) -> None:
        """Make the capture of what has come. Once, whatever happened."""
        intake, source, assembly = self._intake, self._source, self._assembly
        intake.metrics.open_streams -= 1
        intake.metrics.assembling_bytes -= assembly.size
        if self._over or not assembly.begun:
            return
        if source is None:
            self._refuse("unknown_role")
            return
        intake.received(source, 1)
        try:
            intake.take(assembly.keyed(intake.recorder(source), intake.new_id()))
        except Unusable as error:
            intake.unusable(source.service, error.reason)

    def _refuse(self, reason: str) -> None:
        self._over = True
        self._intake.unusable(self._source.service if self._source else "", reason)


class ExternalProcessorHandler(grpc.GenericRpcHandler):
    """Serves ``Process``; messages are parsed here, so that a bad one costs one exchange."""

    def __init__(self, intake: Intake, clusters: Clusters, time_cap: float) -> None:
        self._intake = intake
        self._clusters = clusters
        self._time_cap = time_cap

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        if handler_call_details.method != METHOD:
            return None
        return grpc.stream_stream_rpc_method_handler(
            self._stream, request_deserializer=None, response_serializer=None
        )

    async def _stream(
        self, messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> None:
        metadata = {
            name: value
            for name, value in context.invocation_metadata() or ()
            if name.startswith("x-mirrordiff-") and isinstance(value, str)
        }
        exchange = Exchange(self._intake, self._clusters, metadata)
        try:
            async with asyncio.timeout(self._time_cap):
                async for message in messages:
                    if exchange.feed(message):
                        break
        except TimeoutError:
            exchange.timed_out()
        finally:
            exchange.end()
