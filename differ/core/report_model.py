"""What a report is made of. All of it is immutable, and every number in it is one that is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from differ.core.distribution import Change
from differ.core.excess import Excess
from differ.core.facts import SessionFacts
from differ.core.latency import LatencyReport
from differ.core.noise_arm import Source
from differ.core.policy import EndpointPolicy, Policy
from differ.core.rate import Rate
from differ.core.risk import Risk, Worry
from differ.core.signature import Signature
from differ.core.suggestions import Suggestion
from differ.core.tally import Tally


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """One way in which a field differs, in how many pairs, and of which request classes."""

    signature: Signature
    differ: Rate
    requests: frozenset[str]

    @property
    def id(self) -> str:
        """See `Signature.id`."""
        return self.signature.id

    @property
    def risk(self) -> Risk:
        """See `Signature.risk`."""
        return self.signature.risk


@dataclass(frozen=True, slots=True)
class FieldReport:
    """One field of an endpoint. ``differ`` is of all compared pairs, ``noise`` of those v1 answered twice.

    ``excess`` judges it alone. A noisy field is judged by this and left out of its endpoint's rate; of
    any other it says what it adds to that rate. ``serve_time`` is by evidence, ``ignored`` by rule id.
    """

    field: str
    differ: Rate
    noise: Rate | None
    noisy: bool
    excess: Excess
    signatures: tuple[SignatureReport, ...]
    serve_time: Mapping[str, int]
    ignored: Mapping[str, int]
    changes: tuple[Change, ...]

    @property
    def worry(self) -> Worry:
        """The worst that a caller notices here."""
        return min((one.signature.worry for one in self.signatures), default=Worry.EXTRA)

    @property
    def regressed(self) -> bool:
        """Whether it differs in a way that noise does not explain."""
        return not self.noisy and self.differ.count > 0


class State(StrEnum):
    """In which group a report lists an endpoint."""

    REGRESSED = "regressed"
    ONLY_NOISE = "only noise"
    SAME = "same"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """One endpoint. ``excess`` judges the pairs that differ in any field but the noisy ones.

    ``raw`` counts the pairs that differ at all. ``blurred``: of some it is not known in which fields, and
    each field is judged by itself. ``skipped`` is by reason, ``unpaired`` by role and reason.
    """

    endpoint: str
    policy: EndpointPolicy
    raw: Rate
    excess: Excess
    distinct_requests: int
    distinct_different: int
    blurred: bool
    triples: int
    noise_source: Source | None
    fields: tuple[FieldReport, ...]
    skipped: Mapping[str, int]
    unpaired: Mapping[tuple[str, str], int]
    control_statuses: Mapping[str, int]
    latency: LatencyReport | None
    suggestions: tuple[Suggestion, ...]

    @property
    def compared(self) -> int:
        """Pairs compared."""
        return self.raw.total

    @property
    def state(self) -> State:
        """The group it is listed in."""
        if not self.compared:
            return State.NOT_COMPARED
        if any(one.regressed for one in self.fields):
            return State.REGRESSED
        noise = any(one.noisy or one.serve_time or one.ignored for one in self.fields)
        return State.ONLY_NOISE if noise else State.SAME

    @property
    def worry(self) -> Worry:
        """The worst that a caller notices here beyond noise."""
        return min((one.worry for one in self.fields if one.regressed), default=Worry.EXTRA)

    @property
    def noisy_fields(self) -> tuple[FieldReport, ...]:
        """The fields left out of the endpoint's rate."""
        return tuple(one for one in self.fields if one.noisy)

    @property
    def judged_fields(self) -> tuple[FieldReport, ...]:
        """The fields that are judged by themselves."""
        return tuple(one for one in self.fields if one.noisy or (self.blurred and one.regressed))


@dataclass(frozen=True, slots=True)
class RuleReport:
    """A rule in force, and how many differences it ignored; a rule that matches nothing says zero."""

    id: str
    note: str
    ignored: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Over all endpoints. Every examined pair is in exactly one of same, different and skipped."""

    same: int = 0
    different: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    unpaired: Mapping[tuple[str, str], int] = field(default_factory=dict)
    ambiguous: int = 0
    retried: int = 0

    @property
    def compared(self) -> int:
        """Pairs compared."""
        return self.same + self.different

    @property
    def examined(self) -> int:
        """Pairs looked at, the skipped ones too."""
        return self.compared + sum(self.skipped.values())


@dataclass(frozen=True, slots=True)
class GapReport:
    """The time between the two answers of a pair, microseconds, each the upper bound of its bucket.

    Where pairs that differ lie further apart than those that are the same, the clock may be what differs.
    """

    pairs: int
    median_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class ServeTime:
    """A field taken for noise with no rule, on what evidence, and in how many differences."""

    endpoint: str
    field: str
    evidence: str
    pairs: int


@dataclass(frozen=True, slots=True)
class Report:
    """Endpoints are ranked by what a caller would notice; the rest is for the whole session."""

    facts: SessionFacts
    policy: Policy
    tally: Tally
    totals: Totals
    endpoints: tuple[EndpointReport, ...]
    rules: tuple[RuleReport, ...]
    gap_same: GapReport | None
    gap_different: GapReport | None

    @property
    def noisy_fields(self) -> dict[str, frozenset[str]]:
        """The fields left out of each endpoint's rate, by endpoint."""
        return {
            endpoint.endpoint: frozenset(place.field for place in endpoint.noisy_fields)
            for endpoint in self.endpoints
        }

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """All suggested rules."""
        return tuple(one for endpoint in self.endpoints for one in endpoint.suggestions)

    @property
    def serve_time(self) -> tuple[ServeTime, ...]:
        """All that was taken for noise with no rule."""
        return tuple(
            ServeTime(endpoint.endpoint, place.field, evidence, pairs)
            for endpoint in self.endpoints
            for place in endpoint.fields
            for evidence, pairs in place.serve_time.items()
        )

    @property
    def signatures(self) -> Iterator[SignatureReport]:
        """All signatures, in the order of their endpoints and fields."""
        return (one for endpoint in self.endpoints for place in endpoint.fields for one in place.signatures)
