"""Every instrument of a worker. Labels are results and reasons: never anything captured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class Metrics(Collector):
    """Counts since this process started."""

    def __init__(self) -> None:
        self.judged: Counter[str] = Counter()
        self.settled = 0
        self.reclaimed = 0
        self.expired = 0
        self.unreadable: Counter[str] = Counter()
        self.redis_failures = 0
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        judged = CounterMetricFamily("mirrordiff_judged", "Entries judged, by result.", labels=["result"])
        for result, count in self.judged.items():
            judged.add_metric([result], count)
        yield judged
        unreadable = CounterMetricFamily(
            "mirrordiff_entries_unreadable", "Entries put aside uncounted, by reason.", labels=["reason"]
        )
        for reason, count in self.unreadable.items():
            unreadable.add_metric([reason], count)
        yield unreadable
        yield CounterMetricFamily("mirrordiff_settled", "Entries counted by this worker.", self.settled)
        yield CounterMetricFamily("mirrordiff_reclaimed", "Entries taken over from others.", self.reclaimed)
        yield CounterMetricFamily("mirrordiff_expired", "Responses whose twin never came.", self.expired)
        yield CounterMetricFamily(
            "mirrordiff_redis_failures", "Calls Redis did not answer.", self.redis_failures
        )
