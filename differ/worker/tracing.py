"""OpenTelemetry traces of a worker: its batches, and with them the requests that were answered differently.

Each batch is one PROCESS span after the conventions for messaging, with a link to the trace of each copy
of a request that differs: links and not parents, since a batch has many. Attributes are counts, and the
names of roles and services; nothing of a request or an answer. All of it is configured by OpenTelemetry's
own variables, and off without an endpoint:
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from differ.core.model import Role
from differ.worker.judge import Finding
from mirrordiff.process.logs import logger
from mirrordiff.redis_keys import BY_NAME, GROUP

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanContext, Tracer

MOST_LINKS: Final = 128
"""Of one span; what OpenTelemetry's SDKs keep at most unless they are told otherwise."""

_STREAM: Final = BY_NAME["ready"].template
_ATTRIBUTES: Final = {
    "messaging.system": "redis",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.template": _STREAM,
    "messaging.consumer.group.name": GROUP,
}

log = logger("differ.tracing")

CameTo = Callable[[Sequence[Finding]], None]
"""Told once what a batch came to."""


class Tracing:
    """Makes a span of each batch; without a provider it makes none."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self._tracer: Tracer | None = None if provider is None else provider.get_tracer("mirrordiff")

    @property
    def on(self) -> bool:
        """Whether anything is traced."""
        return self._tracer is not None

    @contextmanager
    def batch(self, entries: int) -> Iterator[CameTo]:
        """A batch of so many entries, judged and settled within the block.

        Some of them may be another worker's too, which took over while this one was slow: what they come to
        is in both spans, and in the tally once.
        """
        if self._tracer is None:
            yield _nothing
            return
        from opentelemetry.trace import SpanKind, StatusCode

        span = self._tracer.start_span(
            f"process {_STREAM}",
            kind=SpanKind.CONSUMER,
            attributes={**_ATTRIBUTES, "messaging.batch.message_count": entries},
        )

        def came_to(findings: Sequence[Finding]) -> None:
            for result, count in Counter(finding.result for finding in findings).items():
                span.set_attribute(f"mirrordiff.{result}", count)
            for context, role, service in _links(findings):
                span.add_link(context, {"mirrordiff.role": role, "mirrordiff.service": service})

        try:
            yield came_to
        except BaseException as error:
            # Its type alone: a message may repeat what was captured.
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            span.end()

    def close(self) -> None:
        """Send what is left, within the exporter's time-out. Blocks."""
        if self._provider is not None:
            self._provider.shutdown()


def _nothing(findings: Sequence[Finding]) -> None:
    pass


def _links(findings: Sequence[Finding]) -> Iterator[tuple[SpanContext, Role, str]]:
    """The traces to link, all copies of a request together, as many as there is room for."""
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    extract = TraceContextTextMapPropagator().extract
    room = MOST_LINKS
    for finding in findings:
        room -= len(finding.traces)
        if room < 0:
            return
        for role, traceparent in finding.traces:
            context = get_current_span(extract({"traceparent": traceparent})).get_span_context()
            yield context, role, finding.session.service


def tracing(environ: Mapping[str, str], instance: str) -> Tracing:
    """What OpenTelemetry's variables ask for. ``instance`` names this process among its like.

    What cannot be done leaves traces off, and the log says why: a worker without them does its work.
    """
    if not (environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")):
        return Tracing()
    if environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return Tracing()
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in {None, "", "grpc"}:
        hint = (
            "set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc, and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT (port 4317)"
        )
        log.warning("traces_off", reason="OTLP is sent over gRPC alone", hint=hint)
        return Tracing()
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.warning(
            "traces_off", reason="OpenTelemetry is not installed", hint="pip install 'mirrordiff[otel]'"
        )
        return Tracing()
    ours = {
        "service.name": "mirrordiff-worker",
        "service.version": version("mirrordiff"),
        "service.instance.id": instance,
    }
    provider = TracerProvider(
        resource=Resource.create(ours).merge(OTELResourceDetector().detect()), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    log.info("traces_on")
    return Tracing(provider)
