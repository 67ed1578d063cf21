"""Every instrument of the collector. Labels are services, roles and reasons: never anything captured.

Counts are kept as plain integers, because one is touched for every capture, and turned into
Prometheus' form when they are asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from collector.suspects import EVERY, PATTERNS, Suspects


class Metrics(Collector):
    """Counts since this process started.

    received = kept + dropped + waiting to be written; kept = half + pair + duplicate + superseded +
    control + late, by what became of the capture in Redis.
    """

    def __init__(self) -> None:
        self.received: Counter[tuple[str, str]] = Counter()
        self.ended: Counter[tuple[str, str, str]] = Counter()
        self.kept: Counter[str] = Counter()
        self.dropped: Counter[tuple[str, str]] = Counter()
        self.not_named = 0
        self.written_batches = 0
        self.failed_batches = 0
        self.queued_bytes = 0
        self.queued_captures = 0
        self.open_streams = 0
        self.assembling_bytes = 0
        self.admitted_share = 1.0
        self.suspects = Suspects()
        self.withheld: Counter[str] = Counter()
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        received = CounterMetricFamily(
            "mirrordiff_captures", "Responses received.", labels=["service", "role"]
        )
        for (service, role), count in self.received.items():
            received.add_metric([service, role], count)
        yield received
        ended = CounterMetricFamily(
            "mirrordiff_captures_ended",
            "How the responses received had ended.",
            labels=["service", "role", "end"],
        )
        for labels, count in self.ended.items():
            ended.add_metric(list(labels), count)
        yield ended
        kept = CounterMetricFamily(
            "mirrordiff_captures_kept", "Captures written, by what became of them.", labels=["result"]
        )
        for result, count in self.kept.items():
            kept.add_metric([result], count)
        yield kept
        dropped = CounterMetricFamily(
            "mirrordiff_captures_dropped", "Captures not kept, by reason.", labels=["service", "reason"]
        )
        for (service, reason), count in self.dropped.items():
            dropped.add_metric([service, reason], count)
        yield dropped
        yield CounterMetricFamily(
            "mirrordiff_exchanges_not_named",
            "Exchanges over ext_proc of clusters that MIRRORDIFF_CLUSTERS does not name.",
            self.not_named,
        )
        yield CounterMetricFamily("mirrordiff_batches_written", "Writes to Redis.", self.written_batches)
        yield CounterMetricFamily(
            "mirrordiff_batches_failed", "Writes Redis did not take.", self.failed_batches
        )
        yield GaugeMetricFamily("mirrordiff_queue_bytes", "Bytes waiting to be written.", self.queued_bytes)
        yield GaugeMetricFamily("mirrordiff_queue_captures", "Captures waiting.", self.queued_captures)
        yield GaugeMetricFamily("mirrordiff_open_streams", "Streams open to proxies.", self.open_streams)
        yield GaugeMetricFamily(
            "mirrordiff_assembling_bytes",
            "Bytes of exchanges and messages that are not whole.",
            self.assembling_bytes,
        )
        yield GaugeMetricFamily(
            "mirrordiff_admitted_share", "Share of requests admitted now, of 1.", self.admitted_share
        )
        suspected = CounterMetricFamily(
            "mirrordiff_suspected_pii",
            f"Captures with something in them that looks personal, of one in {EVERY} looked at.",
            labels=["kind"],
        )
        for kind in PATTERNS:
            suspected.add_metric([kind], self.suspects.counts[kind])
        yield suspected
        withheld = CounterMetricFamily(
            "mirrordiff_bodies_withheld",
            "Bodies that could not be redacted and are kept as one token.",
            labels=["reason"],
        )
        for reason, count in self.withheld.items():
            withheld.add_metric([reason], count)
        yield withheld
