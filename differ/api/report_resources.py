"""Endpoints and signatures as both APIs answer them. Every number is the report's own."""

from __future__ import annotations

from collections.abc import Sequence

from differ.api.resources import Resource, rfc3339, seconds
from differ.core import report as core
from differ.core.excess import Excess as CoreExcess
from differ.core.latency import LatencyReport
from differ.core.names import short_hash
from differ.core.rate import Rate as CoreRate
from differ.core.suggestions import Suggestion as CoreSuggestion
from differ.core.trend import Point


class Rate(Resource):
    """``count`` of ``total`` pairs."""

    count: int
    total: int


class Excess(Resource):
    """By how much a rate exceeds the noise, with bounds that hold at every look, and what is tolerated."""

    net: float | None
    lower: float
    upper: float
    tolerance: float
    verdict: str


class Unpaired(Resource):
    """Halves that never met their twin."""

    role: str
    reason: str
    count: int


class Field(Resource):
    """One field of an endpoint. ``serve_time`` counts by evidence, ``ignored`` by rule id."""

    field: str
    differ: Rate
    noise: Rate | None
    noisy: bool
    excess: Excess
    signatures: list[str]
    serve_time: dict[str, int]
    ignored: dict[str, int]
    changes: list[str]


class Latency(Resource):
    """Durations of an endpoint in milliseconds, and the two checks on them."""

    bulk: Excess
    tail: Excess
    tail_ms: float
    primary_median_ms: float
    shadow_median_ms: float
    primary_p99_ms: float
    shadow_p99_ms: float


class Suggestion(Resource):
    """A rule that a person may want, as YAML, and why. It is not applied."""

    field: str
    why: str
    rule: str


class Endpoint(Resource):
    """Method and route template, and what was counted there. Fields and below in the FULL view alone.

    ``raw`` counts pairs that differ at all, ``differ`` those that differ in any field but noisy ones.
    """

    name: str
    endpoint: str
    state: str
    verdict: str
    raw: Rate
    differ: Rate
    noise: Rate | None
    noise_source: str
    excess: Excess
    distinct_requests: int
    triples: int
    skipped: dict[str, int]
    unpaired: list[Unpaired]
    signatures: list[str]
    fields: list[Field]
    latency: Latency | None
    suggestions: list[Suggestion]


class Signature(Resource):
    """One way in which one field of one endpoint differs: what a person reviews."""

    name: str
    id: str
    endpoint: str
    field: str
    kind: str
    detail: str
    risk: str
    noisy: bool
    differ: Rate
    distinct_requests: int
    diffs: list[str]


class TrendPoint(Resource):
    """One bucket of a trend, in pairs. ``noise`` and ``different`` are of those compared."""

    start_time: str
    compared: int
    different: int
    noise: int
    skipped: int
    different_by_endpoint: dict[str, int]


class Trend(Resource):
    """A session over time: buckets of one width, without a gap from the first pair to the last."""

    name: str
    width: str
    tolerance: float
    points: list[TrendPoint]


def endpoint_id(endpoint: str) -> str:
    """The id of an endpoint in resource names: 12 hexadecimal digits, since routes have slashes."""
    return short_hash("endpoint", endpoint)


def endpoint_of(row: core.EndpointReport, session: str, *, full: bool) -> Endpoint:
    """An endpoint as it is answered; ``session`` is the session's resource name."""
    return Endpoint(
        name=f"{session}/endpoints/{endpoint_id(row.endpoint)}",
        endpoint=row.endpoint,
        state=row.state.value.replace(" ", "_"),
        verdict=row.excess.word,
        raw=rate_of(row.raw),
        differ=rate_of(row.excess.differ),
        noise=None if row.excess.noise is None else rate_of(row.excess.noise),
        noise_source=row.noise_source or "",
        excess=excess_of(row.excess),
        distinct_requests=row.distinct_requests,
        triples=row.triples,
        skipped=dict(row.skipped),
        unpaired=[
            Unpaired(role=role, reason=reason, count=count)
            for (role, reason), count in sorted(row.unpaired.items())
        ],
        signatures=[one.id for place in row.fields for one in place.signatures],
        fields=[_field_of(place) for place in row.fields] if full else [],
        latency=_latency_of(row.latency) if full and row.latency is not None else None,
        suggestions=[_suggestion_of(one) for one in row.suggestions] if full else [],
    )


def signatures_of(report: core.Report, session: str) -> list[Signature]:
    """The signatures of a report, those of the worst endpoint's worst field first; yet without diffs."""
    return [
        Signature(
            name=f"{session}/signatures/{one.id}",
            id=one.id,
            endpoint=row.endpoint,
            field=one.signature.field,
            kind=one.signature.kind,
            detail=one.signature.detail,
            risk=one.risk,
            noisy=place.noisy,
            differ=rate_of(one.differ),
            distinct_requests=len(one.requests),
            diffs=[],
        )
        for row in report.endpoints
        for place in row.fields
        for one in place.signatures
    ]


def trend_of(points: Sequence[Point], session: str, tolerance: float) -> Trend:
    """A trend as it is answered; ``session`` is the session's resource name."""
    return Trend(
        name=f"{session}/trend",
        width=seconds(1_000_000 * (points[0].width_s if points else 0)),
        tolerance=tolerance,
        points=[
            TrendPoint(
                start_time=rfc3339(point.start_s * 1_000_000),
                compared=point.compared,
                different=point.different,
                noise=point.noise,
                skipped=point.skipped,
                different_by_endpoint=dict(point.by_endpoint),
            )
            for point in points
        ],
    )


def rate_of(rate: CoreRate) -> Rate:
    """A rate as it is answered."""
    return Rate(count=rate.count, total=rate.total)


def excess_of(judged: CoreExcess) -> Excess:
    """A judged rate as it is answered."""
    return Excess(
        net=judged.net,
        lower=judged.interval.lower,
        upper=judged.interval.upper,
        tolerance=judged.tolerance,
        verdict=judged.word,
    )


def _field_of(place: core.FieldReport) -> Field:
    return Field(
        field=place.field,
        differ=rate_of(place.differ),
        noise=None if place.noise is None else rate_of(place.noise),
        noisy=place.noisy,
        excess=excess_of(place.excess),
        signatures=[one.id for one in place.signatures],
        serve_time=dict(place.serve_time),
        ignored=dict(place.ignored),
        changes=[str(change) for change in place.changes],
    )


def _latency_of(row: LatencyReport) -> Latency:
    return Latency(
        bulk=excess_of(row.bulk),
        tail=excess_of(row.tail),
        tail_ms=row.tail_us / 1000,
        primary_median_ms=row.primary_median_us / 1000,
        shadow_median_ms=row.shadow_median_us / 1000,
        primary_p99_ms=row.primary_p99_us / 1000,
        shadow_p99_ms=row.shadow_p99_us / 1000,
    )


def _suggestion_of(row: CoreSuggestion) -> Suggestion:
    return Suggestion(field=row.field, why=row.why, rule=row.rule)
