"""The verdict as a document: the one JSON that every surface gives out.

A contract: members are added, never renamed or taken away. Names are in camelCase and totals that may
grow without bound are decimal text, as proto3's JSON mapping has it. Empty members are left out of
reasons and checks, nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from differ.core.checks import Check
from differ.core.endpoint_checks import EndpointVerdict
from differ.core.excess import Excess, pairs_needed
from differ.core.names import short_hash
from differ.core.preconditions import paired_rate
from differ.core.rate import Rate
from differ.core.report_model import FieldReport
from differ.core.verdict import Verdict

Document = dict[str, object]


def verdict_document(verdict: Verdict) -> Document:
    """The document of a verdict. ``etag`` is the same while nothing but the time has changed."""
    report, facts = verdict.report, verdict.facts
    content: Document = {
        "verdict": str(verdict.word),
        "summary": verdict.summary,
        "reasons": [_reason(check) for check in verdict.reasons],
        "service": facts.service,
        "candidate": facts.candidate,
        "primaryVersion": facts.primary_version,
        "session": facts.session,
        "epoch": facts.epochs,
        "final": verdict.final,
        "decidedTime": _time(verdict.decided_us),
        "pairs": str(report.totals.compared),
        "pairedRatio": paired_rate(report, report.policy).value,
        "needEstimate": verdict.need,
        "totals": {
            "same": str(report.totals.same),
            "different": str(report.totals.different),
            "skipped": {reason: str(count) for reason, count in sorted(report.totals.skipped.items())},
            "unpaired": _unpaired(report.totals.unpaired),
        },
        "endpoints": [_endpoint(one) for one in verdict.endpoints],
        "quiet": None if verdict.pool is None else _judged(verdict.pool),
        "checks": [_check(check) for check in verdict.checks],
        "policy": report.policy.id,
        "reportUri": facts.report_uri,
    }
    etag = short_hash("verdict", json.dumps(content, sort_keys=True))
    when = _time(verdict.now_us)
    gate = f"services/{facts.service}/gates/{facts.gate}"
    return {"name": f"{gate}/verdicts/{when}-{etag[:4]}", "time": when, **content, "etag": f'"{etag}"'}


def _reason(check: Check) -> Document:
    return _present(
        {
            "code": str(check.code),
            "message": check.message,
            "endpoint": check.endpoint,
            "field": check.field,
            "have": check.have,
            "needEstimate": check.need,
            "signatures": list(check.signatures),
        }
    )


def _check(check: Check) -> Document:
    return _present(
        {
            "code": str(check.code),
            "name": check.name,
            "result": str(check.result),
            "mode": str(check.mode),
            "measure": check.measure,
            "limit": check.limit,
            "endpoint": check.endpoint,
            "field": check.field,
            "have": check.have,
            "needEstimate": check.need,
            "signatures": list(check.signatures),
        }
    )


def _present(members: Document) -> Document:
    return {name: value for name, value in members.items() if value not in ("", None, [])}


def _endpoint(one: EndpointVerdict) -> Document:
    report = one.report
    source = report.noise_source
    return {
        "route": report.endpoint,
        **_judged(report.excess),
        "verdict": str(one.word),
        "pooled": one.pooled,
        "required": report.policy.required,
        "mode": str(report.policy.mode),
        "noiseSource": None if source is None else str(source),
        "differing": report.raw.count,
        "noisyFields": [_field(place) for place in report.noisy_fields],
    }


def _field(place: FieldReport) -> Document:
    return {"field": place.field, **_judged(place.excess), "verdict": str(place.excess.word)}


def _judged(judged: Excess) -> Document:
    return {
        "n": judged.differ.total,
        "mismatches": judged.differ.count,
        "noise": None if judged.noise is None else _rate(judged.noise),
        "excess": {
            "lower": judged.interval.lower,
            "upper": judged.interval.upper,
            "tolerance": judged.tolerance,
        },
        "needEstimate": pairs_needed(judged),
    }


def _rate(rate: Rate) -> Document:
    return {"n": rate.total, "mismatches": rate.count}


def _unpaired(unpaired: Mapping[tuple[str, str], int]) -> dict[str, dict[str, str]]:
    by_role: dict[str, dict[str, str]] = {}
    for (role, reason), count in sorted(unpaired.items()):
        by_role.setdefault(role, {})[reason] = str(count)
    return by_role


def _time(us: int | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond; None of a time that no calendar has."""
    if us is None:
        return None
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    except OverflowError:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
