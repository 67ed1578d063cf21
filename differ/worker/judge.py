"""One delivery → what it adds to which tally, and what is worth keeping of it. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from google.protobuf.message import DecodeError

from differ.core import model as core
from differ.core.endpoints import Templates
from differ.core.examine import examine, examine_control, signatures_shown, worth_keeping
from differ.core.model import Outcome, Role
from differ.core.pair import Arrival, Pair
from differ.core.rules import RuleSet
from differ.core.tally import count_unpaired
from differ.store.deliveries import Delivery
from differ.store.records import ROLES, KeptDiff, kept_finding, response_of
from differ.store.settlement import SessionId
from mirrordiff.v1.capture_pb2 import Capture

UNNAMED_CANDIDATE = "unnamed"
"""The candidate where neither the captures nor the configuration tell one build from another."""

UNSEEN_CANDIDATE = "unseen"
"""The candidate of what the primary answered before any shadow was seen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one delivery came to. ``diff`` makes the document of a pair that is worth keeping."""

    session: SessionId
    primary_version: str
    counts: Mapping[str, int]
    result: str
    diff: Callable[[], KeptDiff] | None = None
    signatures: tuple[str, ...] = ()


class Judge:
    """Judges deliveries. ``rules`` gives the rules in force for a candidate, ``candidates`` a service's."""

    def __init__(
        self, templates: Templates, rules: Callable[[str], RuleSet], candidates: Mapping[str, str]
    ) -> None:
        self._templates = templates
        self._rules = rules
        self._candidates = candidates

    def judge(self, delivery: Delivery) -> Finding | None:
        """What a delivery adds; None where it cannot be read at all."""
        try:
            captures = [
                Capture.FromString(raw)
                for raw in (delivery.primary, delivery.shadow, delivery.control)
                if raw
            ]
        except DecodeError:
            return None
        if not captures:
            return None
        if delivery.kind in {b"X", b"L"}:
            return self._alone(captures[0], "late" if delivery.kind == b"L" else "expired")
        if len(captures) < 2:
            return None
        return self._pair(delivery, *captures)

    def _alone(self, capture: Capture, reason: str) -> Finding:
        role = ROLES.get(capture.role, Role.PRIMARY)
        candidate = capture.version or UNNAMED_CANDIDATE
        if role is not Role.SHADOW:
            candidate = self._candidates.get(capture.service, UNSEEN_CANDIDATE)
        endpoint = self._templates.endpoint_of(capture.method, capture.path)
        return Finding(
            SessionId(capture.service, candidate),
            capture.version if role is Role.PRIMARY else "",
            count_unpaired(role, endpoint, reason),
            "unpaired",
        )

    def _pair(
        self, delivery: Delivery, primary: Capture, shadow: Capture, control: Capture | None = None
    ) -> Finding:
        pair = Pair(
            service=primary.service,
            candidate=shadow.version or UNNAMED_CANDIDATE,
            primary_version=primary.version,
            endpoint=self._templates.endpoint_of(primary.method, primary.path),
            request_id=primary.request_id,
            method=primary.method,
            path=primary.path,
            primary=response_of(primary),
            shadow=response_of(shadow),
            control=None if control is None else response_of(control),
            primary_arrival=Arrival(primary.started_us, (primary.request_id,)),
            shadow_arrival=Arrival(shadow.started_us, (shadow.request_id,)),
            control_arrival=Arrival()
            if control is None
            else Arrival(control.started_us, (control.request_id,)),
            ambiguous=delivery.kind == b"A",
            retried=primary.attempt > 1,
        )
        late_control = delivery.kind == b"C"
        examination = (examine_control if late_control else examine)(pair, self._rules(pair.candidate))
        session = SessionId(pair.service, pair.candidate)
        if late_control or not worth_keeping(examination.outcome):
            result = "control" if late_control else str(examination.outcome.result)
            return Finding(session, pair.primary_version, examination.counts, result)
        shown = signatures_shown(pair, examination.outcome)
        return Finding(
            session,
            pair.primary_version,
            examination.counts,
            str(examination.outcome.result),
            # Made only where it is wanted: most pairs show what others have shown before.
            partial(_kept, delivery, pair, examination.outcome, shown),
            tuple(dict.fromkeys(signature for _, signature in shown)),
        )


def _kept(
    delivery: Delivery, pair: Pair, outcome: Outcome, shown: Sequence[tuple[core.Finding, str]]
) -> KeptDiff:
    milliseconds, _, sequence = delivery.entry_id.partition(b"-")
    return KeptDiff(
        # Sorts by time, is the same whoever judges the entry, and ends in its partition.
        id=f"{int(milliseconds):011x}{int(sequence):05x}{delivery.partition:x}",
        at_us=pair.primary_arrival.started_us or 0,
        service=pair.service,
        candidate=pair.candidate,
        endpoint=pair.endpoint,
        method=pair.method,
        path=pair.path,
        request_id=pair.request_id,
        outcome=outcome.result,
        findings=tuple(kept_finding(finding, signature) for finding, signature in shown),
        primary=delivery.primary,
        shadow=delivery.shadow,
        control=delivery.control,
        gap_us=pair.gap_us(),
        ambiguous=pair.ambiguous,
        retried=pair.retried,
    )
