"""Whether v2 is slower, from the two durations of each pair; advice unless the policy says otherwise.

Mirrored calls are cold and nobody waits for them, so this is evidence of a kind of its own. Two streams,
because each sees what the other misses: the *bulk* counts pairs in which one side was clearly slower (by
a fifth and 5 ms) and finds a general shift in a few hundred pairs; the *tail* counts answers slower than
the primary's slowest percent by a fifth, and finds the few that became very slow.

The tail's bound follows the primary's 99th percentile, so it moves while we look. It is one of a fixed
row of bucket bounds, and the level is shared among all of them: whichever is picked, the test holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from differ.core.confidence import ANY
from differ.core.evidence import EndpointEvidence
from differ.core.excess import Excess, Levels, excess
from differ.core.histogram import LAST, beyond, quantile_bucket, upper_us
from differ.core.policy import Policy
from differ.core.rate import Rate


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """Of one endpoint; durations in microseconds, each the upper bound of its bucket.

    ``bulk`` is the share of pairs with a slower shadow beside that with a faster one, ``tail`` the share
    of the shadow's answers over ``tail_us`` beside the primary's.
    """

    bulk: Excess
    tail: Excess
    tail_us: float
    primary_median_us: float
    shadow_median_us: float
    primary_p99_us: float
    shadow_p99_us: float


def latency_report(seen: EndpointEvidence, policy: Policy, levels: Levels) -> LatencyReport | None:
    """What the durations of an endpoint say; None where none are known."""
    primary, shadow = seen.durations.get("p", {}), seen.durations.get("s", {})
    timed = seen.timed
    if not timed or sum(primary.values()) != timed:
        return None
    # A bucket is a fifth wide: the next one begins where the slowest percent is exceeded by that much.
    last = (quantile_bucket(primary, 0.99) or 0) + 1
    shared = Levels(levels.fail / (LAST + 2), levels.ok / (LAST + 2))
    return LatencyReport(
        bulk=excess(
            Rate(seen.slower, timed), Rate(seen.faster, timed), policy.latency_bulk_tolerance, levels, ANY
        ),
        tail=excess(
            Rate(beyond(shadow, last), timed),
            Rate(beyond(primary, last), timed),
            policy.latency_tail_tolerance,
            shared,
        ),
        tail_us=upper_us(last),
        primary_median_us=_quantile_us(primary, 0.5),
        shadow_median_us=_quantile_us(shadow, 0.5),
        primary_p99_us=_quantile_us(primary, 0.99),
        shadow_p99_us=_quantile_us(shadow, 0.99),
    )


def _quantile_us(counts: Mapping[int, int], quantile: float) -> float:
    return upper_us(quantile_bucket(counts, quantile) or 0)
