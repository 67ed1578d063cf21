"""From one examined pair to counts, and from counts back to what they mean.

Counting is adding: a pair gives a handful of names whose counters go up by one (`differ.core.names`
lists them), adding is associative and commutative and nothing counted is ever taken back. So tallies
of partitions, processes and hours merge by addition, in any order, to the same evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final
from zlib import crc32

from differ.core.evidence import EndpointEvidence, Evidence, read_evidence
from differ.core.histogram import bucket
from differ.core.model import Disposition, End, Finding, Outcome, Response, Result, Role
from differ.core.names import MANY, OTHER, REQUEST_CLASSES, clean, field_id
from differ.core.pair import Pair
from differ.core.risk import STATUS_FIELDS
from differ.core.signature import codes, field_text
from differ.core.sketch import ABSENT, category
from differ.core.trend import NOISE, SAME, SKIPPED

FIELDS_PER_PAIR: Final = 64
"""So many fields of one pair are counted by name; the rest of that pair goes to the field ``_other``."""

FIELDS_PER_SET: Final = 8
"""Pairs with more regressed fields than this are counted under the one set ``many``."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Tally:
    """Counts by name. Holds: ``a + b == b + a``, ``(a + b) + c == a + (b + c)``, ``a + Tally() == a``."""

    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Tally:
        """The tally of a map of counters. Zeros mean nothing; a negative count is a ValueError."""
        if any(count < 0 for count in counts.values()):
            raise ValueError("a tally only counts up: a counter is negative")
        return cls({name: count for name, count in counts.items() if count})

    def __add__(self, other: Tally) -> Tally:
        total = dict(self.counts)
        for name, count in other.counts.items():
            total[name] = total.get(name, 0) + count
        return Tally(total)

    def __bool__(self) -> bool:
        return bool(self.counts)

    @cached_property
    def evidence(self) -> Evidence:
        """The counts by endpoint and field."""
        return read_evidence(self.counts)

    @property
    def endpoints(self) -> Mapping[str, EndpointEvidence]:
        """The evidence of each endpoint seen."""
        return self.evidence.endpoints


def count(pair: Pair, outcome: Outcome, control: Outcome | None = None) -> dict[str, int]:
    """What one pair adds to the tally: names and increments, all positive.

    ``outcome`` is of primary against shadow, ``control`` of primary against control where one
    answered. Holds: every pair counts exactly once among same, different and skipped, and a field
    at most once a pair, however many of its positions differ.
    """
    names = _endpoint_names(pair.endpoint)
    counts: dict[str, int] = {}
    if pair.ambiguous:
        counts["m\tambiguous"] = 1
    if pair.retried:
        counts["m\tretried"] = 1
    request = _request_class(pair)
    regressed = _count_findings(counts, names, pair, outcome, request) if outcome.findings else ()
    if outcome.result is Result.SKIPPED:
        counts[f"k\t{names.endpoint}\t{clean(outcome.reason)}"] = 1
        counts[f"w\t{pair.second}\t\t{SKIPPED}"] = 1
        return counts
    different = outcome.result is Result.DIFFERENT
    counts[names.compared[request]] = 1
    if different:
        counts[names.different[request]] = 1
        where = f"{names.endpoint}\t{_set_of(regressed)}"
        counts[f"p\t{where}"] = 1
        counts[f"w\t{pair.second}\t{where}"] = 1
    else:
        noise = any(finding.disposition is Disposition.NOISE for finding in outcome.findings)
        counts[f"w\t{pair.second}\t\t{NOISE if noise else SAME}"] = 1
    if control is not None and control.result is not Result.SKIPPED:
        counts[names.triples] = 1
        if different or control.findings:
            _count_control(counts, names, pair, regressed, different=different, control=control)
    _count_time(counts, names, pair, different=different)
    return counts


def count_unpaired(role: Role, endpoint: str, reason: str) -> dict[str, int]:
    """What one half that never met its twin adds to the tally; ``role`` is whose half it was."""
    return {f"u\t{role}\t{clean(endpoint)}\t{clean(reason)}": 1}


class _EndpointNames:
    """The names that every pair of an endpoint needs, made once."""

    __slots__ = (
        "compared",
        "different",
        "endpoint",
        "faster",
        "primary_time",
        "shadow_time",
        "slower",
        "triples",
    )

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.compared = [f"n\t{endpoint}\t{request}" for request in range(REQUEST_CLASSES)]
        self.different = [f"d\t{endpoint}\t{request}" for request in range(REQUEST_CLASSES)]
        self.triples = f"3\t{endpoint}"
        self.slower, self.faster = f"l\t{endpoint}\t+", f"l\t{endpoint}\t-"
        self.primary_time, self.shadow_time = f"t\t{endpoint}\tp\t", f"t\t{endpoint}\ts\t"


@lru_cache(maxsize=1_024)
def _endpoint_names(endpoint: str) -> _EndpointNames:
    return _EndpointNames(clean(endpoint))


def _request_class(pair: Pair) -> int:
    """Which of a few classes the request is in, by method and path.

    What an unsafe method asked for is in its body, which is not kept: there each request is its own.
    """
    asked = f"{pair.method} {pair.path}"
    if pair.method not in _SAFE:
        asked += pair.request_id
    return crc32(asked.encode("utf-8", "surrogatepass")) % REQUEST_CLASSES


def _count_findings(
    counts: dict[str, int], names: _EndpointNames, pair: Pair, outcome: Outcome, request: int
) -> Mapping[str, None]:
    """Count the findings; gives the fields that regressed, in order."""
    endpoint = names.endpoint
    regressed: dict[str, None] = {}
    described: set[str] = set()
    for finding, place in _fields(outcome.findings):
        match finding.disposition:
            case Disposition.IGNORED:
                counts[f"i\t{endpoint}\t{place}\t{clean(finding.rule_id)}"] = 1
                continue
            case Disposition.NOISE:
                counts[f"z\t{endpoint}\t{place}\t{clean(finding.rule)}"] = 1
            case Disposition.REGRESSION:
                difference = finding.difference
                detail = codes(place, pair.primary, pair.shadow, difference) if place in STATUS_FIELDS else ""
                counts[f"s\t{endpoint}\t{place}\t{difference.kind.value}\t{detail}\t{request}"] = 1
                regressed[place] = None
        if place not in described:
            described.add(place)
            _describe(counts, endpoint, place, finding, "s")
    for place in regressed:
        counts[f"f\t{endpoint}\t{place}"] = 1
    return regressed


def _describe(counts: dict[str, int], endpoint: str, place: str, finding: Finding, role: str) -> None:
    """Count what the values of a field look like: the shadow's beside the primary's, or the control's."""
    difference = finding.difference
    kind = difference.kind.value
    if role == "s":
        shown = ABSENT if kind == "extra" else category(difference.primary)
        counts[f"h\t{endpoint}\t{place}\tp\t{shown}"] = 1
    shown = ABSENT if kind == "missing" else category(difference.shadow)
    counts[f"h\t{endpoint}\t{place}\t{role}\t{shown}"] = 1


def _count_control(
    counts: dict[str, int],
    names: _EndpointNames,
    pair: Pair,
    regressed: Mapping[str, None] | tuple[()],
    *,
    different: bool,
    control: Outcome,
) -> None:
    """Count a pair seen on three sides: who disagrees with the primary, over all and by field."""
    endpoint = names.endpoint
    noisy: dict[str, None] = {}
    described: set[str] = set()
    for finding, place in _fields(control.findings):
        if finding.disposition is Disposition.IGNORED:
            continue
        if place not in described:
            described.add(place)
            _describe(counts, endpoint, place, finding, "c")
        if finding.disposition is Disposition.REGRESSION:
            noisy[place] = None
            if place in STATUS_FIELDS and pair.control is not None:
                counts[f"v\t{endpoint}\t{codes(place, pair.primary, pair.control, finding.difference)}"] = 1
    if different:
        counts[f"{'x' if noisy else 'b'}\t{endpoint}"] = 1
    elif noisy:
        counts[f"c\t{endpoint}"] = 1
    if noisy:
        counts[f"pc\t{endpoint}\t{_set_of(noisy)}"] = 1
    for place in regressed:
        counts[f"{'fx' if place in noisy else 'fb'}\t{endpoint}\t{place}"] = 1
    for place in noisy:
        if place not in regressed:
            counts[f"fc\t{endpoint}\t{place}"] = 1


def _fields(findings: tuple[Finding, ...]) -> Iterator[tuple[Finding, str]]:
    """Findings with the field each is counted by."""
    seen: set[str] = set()
    for finding in findings:
        place = field_text(finding.difference.path)
        if place not in seen:
            if len(seen) >= FIELDS_PER_PAIR:
                place = OTHER
            else:
                seen.add(place)
        yield finding, place


def _set_of(places: Mapping[str, None] | tuple[()]) -> str:
    if len(places) == 1:
        return field_id(next(iter(places)))
    return ",".join(sorted(map(field_id, places))) if len(places) <= FIELDS_PER_SET else MANY


def _count_time(counts: dict[str, int], names: _EndpointNames, pair: Pair, *, different: bool) -> None:
    primary, shadow = pair.primary, pair.shadow
    if not (_timed(primary) and _timed(shadow)):
        return
    before, after = primary.duration_us or 0, shadow.duration_us or 0
    # More than a fifth and 5 ms longer: below that, a mirrored call's own jitter is all one would count.
    if after * 10 > before * 12 + 50_000:
        counts[names.slower] = 1
    elif before * 10 > after * 12 + 50_000:
        counts[names.faster] = 1
    counts[f"{names.primary_time}{bucket(before)}"] = 1
    counts[f"{names.shadow_time}{bucket(after)}"] = 1
    gap = pair.gap_us()
    if gap is not None:
        counts[f"g\t{'!' if different else '='}\t{bucket(abs(gap))}"] = 1


def _timed(response: Response) -> bool:
    return response.duration_us is not None and response.end is End.COMPLETE
