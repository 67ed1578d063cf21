"""Rules that would silence what looks like noise: text to paste, never applied unasked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from differ.core.evidence import EndpointEvidence, FieldEvidence
from differ.core.model import Kind
from differ.core.names import OTHER
from differ.core.noise_arm import NoiseArm
from differ.core.rate import Rate
from differ.core.risk import STATUS_FIELDS
from differ.core.signature import Signature
from differ.core.sketch import RANDOM_LOOKING, SHAPES

_ENOUGH: Final = 20
_NEARLY_ALL: Final = 0.9
_SPREAD: Final = 8


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A rule that a person may want, and why."""

    service: str
    endpoint: str
    field: str
    why: str

    @property
    def rule(self) -> str:
        """The rule as YAML that stands under ``rules:``."""
        where = {"service": self.service, "endpoint": self.endpoint}
        rule = [{"ignore": {"field": self.field}, "where": where, "note": self.why}]
        return yaml.safe_dump(rule, sort_keys=False, allow_unicode=True, width=1_000).rstrip()


def suggestions(
    service: str, endpoint: str, seen: EndpointEvidence, arm: NoiseArm | None
) -> tuple[Suggestion, ...]:
    """What may be proposed for an endpoint.

    Fields that differ in nearly every pair with values that look random on both sides; unless v1 was
    seen to agree with itself there. And fields that v1 was seen to be noisy about.
    """
    found: list[Suggestion] = []
    noisy = arm.noisy if arm is not None else frozenset()
    for name in sorted(seen.fields):
        if name in STATUS_FIELDS or name in (OTHER, "$"):
            continue  # nobody should ignore a status, or a whole body
        if name in noisy and arm is not None:
            why = f"v1 disagrees with itself here in {arm.of_field(name)} of {arm.compared} pairs"
            found.append(Suggestion(service, endpoint, name, why))
            continue
        agrees = arm is not None and arm.compared >= _ENOUGH
        looks = None if agrees else _random_looking(seen.fields[name], _value_rate(endpoint, name, seen))
        if looks is not None:
            found.append(Suggestion(service, endpoint, name, looks))
    return tuple(found)


def _value_rate(endpoint: str, name: str, seen: EndpointEvidence) -> Rate:
    evidence = seen.signatures.get(Signature(endpoint, name, Kind.VALUE))
    return Rate(evidence.pairs if evidence is not None else 0, seen.compared)


def _random_looking(seen: FieldEvidence, rate: Rate) -> str | None:
    if rate.total < _ENOUGH or rate.count < _NEARLY_ALL * rate.total:
        return None
    before, after = seen.sketches.get("p", {}), seen.sketches.get("s", {})
    shape = _one_shape(before)
    if shape not in RANDOM_LOOKING or shape != _one_shape(after) or min(len(before), len(after)) < _SPREAD:
        return None
    return f"differs in {rate} of {rate.total} pairs, and is another {SHAPES[shape]} each time on both sides"


def _one_shape(sketch: Mapping[str, int]) -> str:
    """The letter of the shape that nearly all values have; empty where they are mixed."""
    total = sum(sketch.values())
    shares: dict[str, int] = {}
    for category, count in sketch.items():
        shares[category[0]] = shares.get(category[0], 0) + count
    return next((letter for letter, count in shares.items() if count >= _NEARLY_ALL * total), "")
