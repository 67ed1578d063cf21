"""From a tally to a report: endpoints ranked by what a caller would notice, with every number judged.

Numbers are made here once. The page, the command line and the verdict show and judge these objects, so
what is shown is what was judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from differ.core.confidence import ANY, level
from differ.core.distribution import changes
from differ.core.evidence import EndpointEvidence, FieldEvidence
from differ.core.excess import Excess, Levels, excess
from differ.core.facts import SessionFacts
from differ.core.histogram import quantile_bucket, upper_us
from differ.core.latency import latency_report
from differ.core.noise_arm import NoiseArm, Source, blurred, noise_arm, without
from differ.core.policy import Mode, Policy
from differ.core.rate import Rate
from differ.core.report_model import (
    EndpointReport,
    FieldReport,
    GapReport,
    Report,
    RuleReport,
    ServeTime,
    SignatureReport,
    State,
    Totals,
)
from differ.core.risk import Worry
from differ.core.suggestions import suggestions
from differ.core.tally import Tally

__all__ = [
    "EndpointReport",
    "FieldReport",
    "GapReport",
    "Report",
    "RuleReport",
    "ServeTime",
    "SignatureReport",
    "State",
    "Totals",
    "summarise",
]


def summarise(tally: Tally, session: SessionFacts, policy: Policy | None = None) -> Report:
    """The report of a session, judged by a policy, the default one unless given. Pure and total."""
    policy = policy or Policy()
    evidence = tally.evidence
    profile = session.profile.tally.endpoints if session.profile is not None else {}
    controlled = any(seen.triples for seen in evidence.endpoints.values())
    arms = {
        name: noise_arm(seen, profile.get(name), controlled=controlled)
        for name, seen in evidence.endpoints.items()
    }
    noisy = sum(len(arm.noisy) for arm in arms.values() if arm is not None)
    # One test for each endpoint and each field judged by itself, one for the quiet endpoints together.
    alone = sum(len(seen.fields) for seen in evidence.endpoints.values() if blurred(seen.shadow_sets))
    levels = Levels(level(policy.alpha, len(arms) + noisy + alone + 1), policy.alpha)
    make = _Maker(session.service, policy, levels, level(policy.alpha, noisy))
    endpoints = [make.endpoint(name, seen, arms[name]) for name, seen in evidence.endpoints.items()]
    return Report(
        facts=session,
        policy=policy,
        tally=tally,
        totals=_totals(tally),
        endpoints=tuple(sorted(endpoints, key=_rank)),
        rules=_rules(tally, session.rules),
        gap_same=_gap(evidence.gaps.get("=", {})),
        gap_different=_gap(evidence.gaps.get("!", {})),
    )


def _rank(report: EndpointReport) -> tuple[bool, Worry, float, str]:
    return report.state is not State.REGRESSED, report.worry, -(report.excess.net or 0.0), report.endpoint


@dataclass(frozen=True, slots=True)
class _Maker:
    service: str
    policy: Policy
    levels: Levels
    change_level: float

    def endpoint(self, name: str, seen: EndpointEvidence, arm: NoiseArm | None) -> EndpointReport:
        own = self.policy.of_endpoint(name)
        tolerance = self.policy.tolerance if own.tolerance is None else own.tolerance
        noisy = arm.noisy if arm is not None else frozenset()
        differ = _rate(without(seen.shadow_sets, noisy), seen.compared)
        noise = None if arm is None else arm.beside(noisy)
        unclear = blurred(seen.shadow_sets)
        by_field = _signatures(seen)
        fields = [
            self.field(place, one, seen, arm, tolerance, by_field.get(place, []))
            for place, one in seen.fields.items()
        ]
        timed = self.policy.latency is not Mode.OFF
        return EndpointReport(
            endpoint=name,
            policy=own,
            raw=Rate(seen.different, seen.compared),
            excess=excess(differ, noise, tolerance, self.levels, ANY if unclear else None),
            distinct_requests=seen.distinct_requests,
            distinct_different=len(seen.different_by_request),
            blurred=unclear,
            triples=seen.triples,
            noise_source=None if arm is None else arm.source,
            fields=tuple(sorted(fields, key=_field_rank)),
            skipped=seen.skipped,
            unpaired=seen.unpaired,
            control_statuses=seen.control_statuses,
            latency=latency_report(seen, self.policy, self.levels) if timed else None,
            suggestions=suggestions(self.service, name, seen, arm),
        )

    def field(
        self,
        name: str,
        one: FieldEvidence,
        seen: EndpointEvidence,
        arm: NoiseArm | None,
        tolerance: float,
        signatures: list[SignatureReport],
    ) -> FieldReport:
        noisy = arm is not None and name in arm.noisy
        compare_values = (noisy or bool(one.noise)) and self.policy.distribution is not Mode.OFF
        return FieldReport(
            field=name,
            differ=_rate(one.regressed, seen.compared),
            noise=None if arm is None else arm.of_field(name),
            noisy=noisy,
            excess=self.field_excess(name, one, seen, arm, tolerance),
            signatures=tuple(sorted(signatures, key=_signature_rank)),
            serve_time=one.noise,
            ignored=one.ignored,
            changes=changes(one, self.change_level) if compare_values else (),
        )

    def field_excess(
        self, name: str, one: FieldEvidence, seen: EndpointEvidence, arm: NoiseArm | None, tolerance: float
    ) -> Excess:
        differ = _rate(one.regressed, seen.compared)
        if arm is None or name not in arm.noisy:
            return excess(differ, None if arm is None else arm.of_field(name), tolerance, self.levels)
        tolerance = max(self.policy.noisy_tolerance, tolerance)
        if arm.source is Source.PROFILE:
            return excess(differ, arm.of_field(name), tolerance, self.levels, ANY)
        # On the same requests what both sides do cancels: who differs alone is what counts.
        shadow, control = _rate(one.shadow_only, seen.triples), _rate(one.control_only, seen.triples)
        return excess(shadow, control, tolerance, self.levels, ANY)


def _rate(count: int, total: int) -> Rate:
    """A rate of what may count more than once a pair: fields that were folded together."""
    return Rate(min(count, total), total)


def _signatures(seen: EndpointEvidence) -> dict[str, list[SignatureReport]]:
    found: dict[str, list[SignatureReport]] = {}
    for signature, counted in seen.signatures.items():
        report = SignatureReport(
            signature, _rate(counted.pairs, seen.compared), frozenset(counted.by_request)
        )
        found.setdefault(signature.field, []).append(report)
    return found


def _field_rank(one: FieldReport) -> tuple[bool, Worry, int, str]:
    return not one.regressed, one.worry, -one.differ.count, one.field


def _signature_rank(one: SignatureReport) -> tuple[Worry, int, str]:
    return one.signature.worry, -one.differ.count, one.id


def _totals(tally: Tally) -> Totals:
    skipped: dict[str, int] = {}
    unpaired: dict[tuple[str, str], int] = {}
    for seen in tally.endpoints.values():
        for reason, count in seen.skipped.items():
            skipped[reason] = skipped.get(reason, 0) + count
        for half, count in seen.unpaired.items():
            unpaired[half] = unpaired.get(half, 0) + count
    different = sum(seen.different for seen in tally.endpoints.values())
    flags = tally.evidence.flags
    return Totals(
        same=sum(seen.compared for seen in tally.endpoints.values()) - different,
        different=different,
        skipped=skipped,
        unpaired=unpaired,
        ambiguous=flags.get("ambiguous", 0),
        retried=flags.get("retried", 0),
    )


def _gap(counts: Mapping[int, int]) -> GapReport | None:
    if not counts:
        return None
    median, p99 = (upper_us(quantile_bucket(counts, quantile) or 0) for quantile in (0.5, 0.99))
    return GapReport(sum(counts.values()), median, p99)


def _rules(tally: Tally, notes: Mapping[str, str]) -> tuple[RuleReport, ...]:
    ignored = dict.fromkeys(notes, 0)
    for seen in tally.endpoints.values():
        for place in seen.fields.values():
            for rule, count in place.ignored.items():
                ignored[rule] = ignored.get(rule, 0) + count
    return tuple(RuleReport(rule, notes.get(rule, ""), count) for rule, count in ignored.items())
