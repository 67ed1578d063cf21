"""What the API process measures: the newest session of each service as Redis has it, read when asked for.

Labels are services, roles, reasons and gates: never anything captured. Counts start anew with each
session, which Prometheus takes for a counter's reset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from differ.api.errors import ApiError, StoreUnavailable
from differ.api.paging import LARGEST_SIZE, PageRequest
from differ.api.query import Query
from differ.api.service import LATEST, ReportService
from differ.api.snapshots import Snapshot
from differ.core.excess import Word

_WORDS = {Word.PASS: 1, Word.INCONCLUSIVE: 0, Word.FAIL: -1}


class _Fixed(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


async def exposition(service: ReportService) -> bytes:
    """All metrics in Prometheus' text form. While the store is away only ``mirrordiff_store_up`` is told."""
    up = GaugeMetricFamily("mirrordiff_store_up", "1 while Redis answers.")
    metrics: list[Metric] = [up]
    try:
        snapshots = await _snapshots(service)
        lag = await service.lag()
    except StoreUnavailable:
        up.add_metric([], 0)
    else:
        up.add_metric([], 1)
        metrics += _of_services(snapshots)
        metrics.append(
            GaugeMetricFamily("mirrordiff_stream_lag_pairs", "Pairs captured and not yet judged.", lag.pairs)
        )
        metrics.append(
            GaugeMetricFamily(
                "mirrordiff_stream_lag_seconds", "Age of the oldest pair not yet judged.", lag.oldest_age_s
            )
        )
    registry = CollectorRegistry()
    registry.register(_Fixed(metrics))
    return generate_latest(registry)


async def _snapshots(service: ReportService) -> list[tuple[str, Snapshot]]:
    page = await service.services(PageRequest(LARGEST_SIZE), Query())
    found: list[tuple[str, Snapshot]] = []
    for each in page.items:
        service_id = each.name.removeprefix("services/")
        for gate in service.snapshots.gates:
            try:
                found.append((gate, await service.snapshot(service_id, LATEST, gate)))
            except StoreUnavailable:
                raise
            except ApiError:
                continue  # its last session expired between the two reads
    return found


def _of_services(snapshots: list[tuple[str, Snapshot]]) -> Iterator[Metric]:
    pairs = CounterMetricFamily("mirrordiff_pairs", "Pairs judged.", labels=["service", "outcome"])
    unpaired = CounterMetricFamily(
        "mirrordiff_unpaired",
        "Responses that never met their twin, by whose they are.",
        labels=["service", "role", "reason"],
    )
    skipped = CounterMetricFamily(
        "mirrordiff_skipped", "Pairs that could not be compared.", labels=["service", "reason"]
    )
    verdict = GaugeMetricFamily(
        "mirrordiff_gate_verdict", "1 PASS, 0 INCONCLUSIVE, -1 FAIL.", labels=["service", "gate"]
    )
    seen: set[str] = set()
    for gate, snapshot in snapshots:
        name = snapshot.session.service
        verdict.add_metric([name, gate], _WORDS[snapshot.verdict.word])
        if name in seen:
            continue
        seen.add(name)
        totals = snapshot.report.totals
        pairs.add_metric([name, "same"], totals.same)
        pairs.add_metric([name, "different"], totals.different)
        pairs.add_metric([name, "skipped"], sum(totals.skipped.values()))
        for reason, count in totals.skipped.items():
            skipped.add_metric([name, reason], count)
        for (role, reason), count in totals.unpaired.items():
            unpaired.add_metric([name, role, reason], count)
    yield from (pairs, unpaired, skipped, verdict)
