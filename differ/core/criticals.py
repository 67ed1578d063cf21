"""Criticals: classes of differences that fail by count, at once, with no statistics to wait for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from differ.core.checks import Check, Code
from differ.core.excess import Word
from differ.core.policy import Critical, Mode, Policy, matches
from differ.core.rate import Rate
from differ.core.report_model import EndpointReport, FieldReport, Report
from differ.core.risk import STATUS_FIELDS, Worry, is_critical, worry

DISTINCT: Final = 3
"""So many distinct requests must differ before a FAIL: one item asked for over and over is one fault.
Fewer do where the endpoint was asked nothing else."""

_REVERSE: Final = 4
"""So many more requests it takes for each in which the primary alone had the fault."""


def criticals(report: Report, policy: Policy) -> Iterator[Check]:
    """A FAIL for each endpoint that shows a critical often enough; a PASS for each critical none shows."""
    for critical in policy.criticals:
        found = [
            check
            for one in report.endpoints
            if one.policy.mode is not Mode.OFF and (check := _critical(one, critical)) is not None
        ]
        yield from found
        if not found:
            yield Check(
                Code.CRITICAL,
                _critical_name(critical),
                Word.PASS,
                f"under {critical.requests} requests in every endpoint",
                f"{critical.requests} requests",
            )


def _critical(report: EndpointReport, critical: Critical) -> Check | None:
    """The check of one endpoint that shows this critical often enough, and v1 does not by itself."""
    signatures = [
        one
        for place in report.fields
        if matches(critical.field, place.field) and not _in_control(report, place, critical)
        for one in place.signatures
        if one.signature.worry is critical.worry and _counts(critical, one.signature.detail)
    ]
    pairs = sum(one.differ.count for one in signatures)
    needed = critical.requests + _REVERSE * _primary_alone(report, critical)
    classes: set[str] = set().union(*(one.requests for one in signatures))
    distinct = min(DISTINCT, critical.requests, report.distinct_requests)
    if pairs < needed or len(classes) < distinct:
        return None
    what = ", ".join(sorted({str(one.signature) for one in signatures}))
    return Check(
        Code.CRITICAL,
        _critical_name(critical),
        Word.FAIL,
        f"{what} in {Rate(pairs, report.compared)} of {report.compared} pairs",
        f"{needed} requests",
        endpoint=report.endpoint,
        mode=report.policy.mode,
        have=pairs,
        signatures=tuple(one.id for one in signatures),
    )


def _counts(critical: Critical, detail: str) -> bool:
    return critical.worry is not Worry.FAILURE or is_critical(detail)


def _primary_alone(report: EndpointReport, critical: Critical) -> int:
    """Pairs in which v1 alone had the fault: a service that fails now and then fails on either side."""
    return sum(
        one.differ.count
        for place in report.fields
        for one in place.signatures
        if place.field in STATUS_FIELDS
        and worry(place.field, "value", _reversed(one.signature.detail)) is critical.worry is Worry.FAILURE
    )


def _reversed(detail: str) -> str:
    before, arrow, after = detail.partition("→")
    return f"{after}{arrow}{before}"


def _in_control(report: EndpointReport, place: FieldReport, critical: Critical) -> bool:
    """Whether v1 shows the same sort of fault by itself; then rates decide."""
    if place.field in STATUS_FIELDS:
        return any(
            worry(place.field, "value", detail) is critical.worry for detail in report.control_statuses
        )
    return place.noise is not None and place.noise.count > 0


_NAMES: Final = {
    Worry.FAILURE: "new server errors or no response",
    Worry.STATUS: "another status",
    Worry.SHAPE: "fields gone or of another type",
    Worry.VALUE: "other values",
    Worry.HEADER: "other headers",
    Worry.ORDER: "another order",
    Worry.EXTRA: "added fields",
}


def _critical_name(critical: Critical) -> str:
    name = _NAMES[critical.worry]
    return name if critical.field == "*" else f"{name} in {critical.field}"
