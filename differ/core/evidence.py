"""Counts read back: by endpoint, and in it by field and signature.

These are views for reading; nobody changes one after it is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from differ.core.model import Kind
from differ.core.names import TAB
from differ.core.signature import Signature

Counts = dict[str, int]


@dataclass(slots=True)
class FieldEvidence:
    """What was counted of one field of one endpoint, in pairs.

    On triples: ``shadow_only`` where the shadow alone differs from the primary, ``control_only`` where
    the control alone does, ``both`` where both do. ``noise`` is by evidence, ``ignored`` by rule id.
    ``sketches`` has, by role (``p``, ``s``, ``c``), what differing values look like, by category.
    """

    regressed: int = 0
    shadow_only: int = 0
    control_only: int = 0
    both: int = 0
    noise: Counts = field(default_factory=dict)
    ignored: Counts = field(default_factory=dict)
    sketches: dict[str, Counts] = field(default_factory=dict)

    @property
    def control_differs(self) -> int:
        """Triples in which the control differs from the primary here."""
        return self.control_only + self.both


@dataclass(slots=True)
class SignatureEvidence:
    """How often a signature was seen, by request class."""

    by_request: Counts = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """Pairs that have it."""
        return sum(self.by_request.values())

    @property
    def distinct_requests(self) -> int:
        """At least so many distinct requests have it."""
        return len(self.by_request)


@dataclass(slots=True)
class EndpointEvidence:
    """What was counted of one endpoint.

    ``shadow_sets`` and ``control_sets`` count pairs by exactly which fields differ (field ids joined
    by commas, or ``many``), so that pairs can be counted with noisy fields left out.
    """

    compared_by_request: Counts = field(default_factory=dict)
    different_by_request: Counts = field(default_factory=dict)
    skipped: Counts = field(default_factory=dict)
    unpaired: dict[tuple[str, str], int] = field(default_factory=dict)
    triples: int = 0
    shadow_only: int = 0
    control_only: int = 0
    both: int = 0
    fields: dict[str, FieldEvidence] = field(default_factory=dict)
    shadow_sets: Counts = field(default_factory=dict)
    control_sets: Counts = field(default_factory=dict)
    signatures: dict[Signature, SignatureEvidence] = field(default_factory=dict)
    control_statuses: Counts = field(default_factory=dict)
    slower: int = 0
    faster: int = 0
    durations: dict[str, dict[int, int]] = field(default_factory=dict)

    @property
    def compared(self) -> int:
        """Pairs that are the same or different."""
        return sum(self.compared_by_request.values())

    @property
    def different(self) -> int:
        """Pairs with a regression."""
        return sum(self.different_by_request.values())

    @property
    def distinct_requests(self) -> int:
        """At least so many distinct requests were compared."""
        return len(self.compared_by_request)

    @property
    def timed(self) -> int:
        """Pairs whose both durations are known."""
        return sum(self.durations.get("s", {}).values())


@dataclass(slots=True)
class Evidence:
    """All of a tally, read. ``gaps`` is by ``=`` (same) and ``!`` (different), then by bucket."""

    endpoints: dict[str, EndpointEvidence] = field(default_factory=dict)
    flags: Counts = field(default_factory=dict)
    gaps: dict[str, dict[int, int]] = field(default_factory=dict)


def read_evidence(counts: Mapping[str, int]) -> Evidence:
    """Counts by name as evidence. Names that are not known are left alone: a newer version wrote them."""
    evidence = Evidence()
    for name, count in counts.items():
        kind, *parts = name.split(TAB)
        try:
            _read(evidence, kind, parts, count)
        except (IndexError, ValueError):
            continue
    return evidence


def _read(evidence: Evidence, kind: str, parts: list[str], count: int) -> None:
    match kind:
        case "m":
            _add(evidence.flags, parts[0], count)
        case "g":
            by_bucket = evidence.gaps.setdefault(parts[0], {})
            by_bucket[int(parts[1])] = by_bucket.get(int(parts[1]), 0) + count
        case "u":
            role, at, reason = parts
            unpaired = _endpoint(evidence, at).unpaired
            unpaired[role, reason] = unpaired.get((role, reason), 0) + count
        case "f" | "fb" | "fc" | "fx" | "z" | "i" | "h" | "s":
            _read_field(_endpoint(evidence, parts[0]), kind, parts, count)
        case "n" | "d" | "k" | "3" | "b" | "c" | "x" | "p" | "pc" | "v" | "l" | "t":
            _read_endpoint(_endpoint(evidence, parts[0]), kind, parts[1:], count)
        case _:
            pass


def _read_endpoint(endpoint: EndpointEvidence, kind: str, parts: list[str], count: int) -> None:  # noqa: C901, PLR0912  # a table
    match kind:
        case "n":
            _add(endpoint.compared_by_request, parts[0], count)
        case "d":
            _add(endpoint.different_by_request, parts[0], count)
        case "k":
            _add(endpoint.skipped, parts[0], count)
        case "3":
            endpoint.triples += count
        case "b":
            endpoint.shadow_only += count
        case "c":
            endpoint.control_only += count
        case "x":
            endpoint.both += count
        case "p":
            _add(endpoint.shadow_sets, parts[0], count)
        case "pc":
            _add(endpoint.control_sets, parts[0], count)
        case "v":
            _add(endpoint.control_statuses, parts[0], count)
        case "l" if parts[0] == "+":
            endpoint.slower += count
        case "l":
            endpoint.faster += count
        case "t":
            durations = endpoint.durations.setdefault(parts[0], {})
            durations[int(parts[1])] = durations.get(int(parts[1]), 0) + count
        case _:
            pass


def _read_field(endpoint: EndpointEvidence, kind: str, parts: list[str], count: int) -> None:
    place = parts[1]
    if kind == "s":
        signature = Signature(parts[0], place, Kind(parts[2]), parts[3])
        seen = endpoint.signatures.setdefault(signature, SignatureEvidence())
        _add(seen.by_request, parts[4], count)
        return
    seen_field = endpoint.fields.setdefault(place, FieldEvidence())
    match kind:
        case "f":
            seen_field.regressed += count
        case "fb":
            seen_field.shadow_only += count
        case "fc":
            seen_field.control_only += count
        case "fx":
            seen_field.both += count
        case "z":
            _add(seen_field.noise, parts[2], count)
        case "i":
            _add(seen_field.ignored, parts[2], count)
        case "h":
            _add(seen_field.sketches.setdefault(parts[2], {}), parts[3], count)
        case _:
            pass


def _endpoint(evidence: Evidence, name: str) -> EndpointEvidence:
    return evidence.endpoints.setdefault(name, EndpointEvidence())


def _add(counts: Counts, name: str, count: int) -> None:
    counts[name] = counts.get(name, 0) + count
