"""What v1 does to itself: the noise that is subtracted before v2 is judged.

From a control on the same requests where one answers, else from a profile of v1 against v1. A field in
which v1 disagrees with itself often enough is *noisy*. It is left out when pairs of its endpoint are
counted as different (5 % of noise would cost thirty times the pairs), and judged by itself with a
tolerance of its own.

Which fields are noisy is chosen by the noise arm alone, never by what the shadow did. A status is never
left out: what breaks callers is judged by the endpoint's own tolerance, however flaky v1 is.

A control that fails where v1 does not is no copy of v1. Were its failures taken for noise, a broken
control would excuse a broken candidate; so it is not listened to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from differ.core.evidence import EndpointEvidence
from differ.core.names import MANY, OTHER, field_id
from differ.core.rate import Rate
from differ.core.risk import STATUS_FIELDS, is_failure

NOISY_FROM: Final = 3
"""A field is noisy once v1 disagreed with itself so often: once may be a write between two reads."""

BROKEN_SHARE: Final = 0.05
"""A control that fails in a larger share of answers, where the primary does not, is broken."""


class Source(StrEnum):
    """Where noise is known from."""

    CONTROL = "control"
    PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class NoiseArm:
    """The noise of one endpoint: of ``compared`` pairs, those where v1 differs from v1."""

    source: Source
    compared: int
    fields: Mapping[str, int]
    sets: Mapping[str, int]

    @property
    def noisy(self) -> frozenset[str]:
        """The fields that are noisy."""
        return frozenset(
            name for name, count in self.fields.items() if count >= NOISY_FROM and name not in STATUS_FIELDS
        )

    def of_field(self, name: str) -> Rate:
        """How often v1 disagrees with itself about a field."""
        return Rate(min(self.fields.get(name, 0), self.compared), self.compared)

    def beside(self, noisy: frozenset[str]) -> Rate:
        """How often v1 disagrees with itself, the noisy fields left out."""
        return Rate(without(self.sets, noisy), self.compared)


def noise_arm(
    endpoint: EndpointEvidence, profile: EndpointEvidence | None, *, controlled: bool
) -> NoiseArm | None:
    """The noise of an endpoint; None where nothing is known of it, and noise is taken for zero.

    ``controlled``: the service has a control. Then an endpoint that it has not answered yet has an arm
    with nothing in it, which leaves every noise possible: better undecided than a false alarm.
    """
    if controlled and _broken(endpoint):
        return NoiseArm(Source.CONTROL, 0, {}, {})
    if controlled:
        fields = {name: seen.control_differs for name, seen in endpoint.fields.items()}
        return NoiseArm(Source.CONTROL, endpoint.triples, fields, endpoint.control_sets)
    if profile is None or not profile.compared:
        return None
    fields = {name: seen.regressed for name, seen in profile.fields.items()}
    return NoiseArm(Source.PROFILE, profile.compared, fields, profile.shadow_sets)


def _broken(endpoint: EndpointEvidence) -> bool:
    failures = sum(count for detail, count in endpoint.control_statuses.items() if is_failure(detail))
    return failures >= NOISY_FROM and failures > BROKEN_SHARE * endpoint.triples


def blurred(sets: Mapping[str, int]) -> bool:
    """Whether of some pairs it is not known in exactly which fields they differ.

    Such pairs differ with or without the noisy fields, on the shadow's side and on v1's, and what
    differs beside them would cancel. There each field has to be judged by itself.
    """
    return MANY in sets or OTHER in sets


def without(sets: Mapping[str, int], noisy: frozenset[str]) -> int:
    """How many pairs differ in any field that is not noisy.

    Pairs whose exact fields are not known (more than are kept) count as different.
    """
    left_out = {field_id(name) for name in noisy}
    return sum(count for fields, count in sets.items() if not left_out.issuperset(fields.split(",")))
