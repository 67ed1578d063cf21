"""A verdict's document and its signatures, sorted into what a pipeline reports: one finding a signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from differ.core.rate import Rate
from differ.report.visible import one_line

Document = Mapping[str, Any]

_KINDS: Final = {
    "missing": "is missing in the shadow",
    "extra": "is only in the shadow",
    "type": "has another type",
    "value": "has another value",
    "order": "comes in another order",
}


@dataclass(frozen=True, slots=True)
class FoundSignature:
    """A signature as it is reported: ``verdict`` is what it makes of the gate, ``why`` its check."""

    id: str
    endpoint: str
    field: str
    change: str
    risk: str
    rate: str
    verdict: str
    why: str

    @property
    def title(self) -> str:
        """``$.total has another type``."""
        return f"{self.field} {self.change}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pipeline reports of a verdict."""

    service: str
    candidate: str
    primary: str
    verdict: str
    summary: str
    pairs: int
    need: int | None
    report_uri: str
    checks: tuple[Mapping[str, Any], ...]
    findings: tuple[FoundSignature, ...]


def outcome_of(document: Document, signatures: Sequence[Mapping[str, Any]]) -> Outcome:
    """Sort a document. Every text in it is made visible: it ends up in logs and other people's pages."""
    checks = tuple(check for check in document["checks"] if check["mode"] == "gating")
    behind: dict[str, Mapping[str, Any]] = {}
    for check in sorted(checks, key=lambda check: check["result"] != "FAIL"):
        for signature in check.get("signatures", ()):
            behind.setdefault(signature, check)
    return Outcome(
        service=one_line(document["service"]),
        candidate=one_line(document["candidate"] or "no candidate yet"),
        primary=one_line(document["primaryVersion"] or "?"),
        verdict=document["verdict"],
        summary=one_line(document["summary"]),
        pairs=int(document["pairs"]),
        need=document.get("needEstimate"),
        report_uri=document.get("reportUri", ""),
        checks=checks,
        findings=tuple(_found(each, behind.get(each["id"])) for each in signatures if not each["noisy"]),
    )


def _found(signature: Mapping[str, Any], check: Mapping[str, Any] | None) -> FoundSignature:
    rate = Rate(int(signature["differ"]["count"]), int(signature["differ"]["total"]))
    before, _, after = signature["detail"].partition("→")
    return FoundSignature(
        id=signature["id"],
        endpoint=one_line(signature["endpoint"]),
        field=one_line(signature["field"]),
        change=f"{before} became {after}" if after else _KINDS.get(signature["kind"], signature["kind"]),
        risk=signature["risk"],
        rate=f"{rate} of {rate.total:,} pairs",
        verdict=check["result"] if check is not None else "PASS",
        why=check_line(check) if check is not None else "",
    )


def check_line(check: Mapping[str, Any]) -> str:
    """A check in one line, as the core says it."""
    where = " ".join(part for part in (check.get("endpoint", ""), check.get("field", "")) if part)
    parts = [f"{where}: {check['name']}" if where else check["name"], check.get("measure", "")]
    text = ": ".join(part for part in parts if part)
    limit = check.get("limit", "")
    return one_line(f"{text}, limit {limit}" if limit else text)
