"""One delivery → what it adds to which tally, and what is worth keeping of it. Decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
from google.protobuf.message import DecodeError

from differ.core import model as core
from differ.core.examine import examine, examine_control, signatures_shown, worth_keeping
from differ.core.lifting.protobuf import Schemas
from differ.core.model import Outcome, Result, Role
from differ.core.pair import UNKNOWN, Arrival, Pair
from differ.core.rules import RuleSet
from differ.core.tally import count_unpaired
from differ.core.trend import second_of
from differ.store.deliveries import Delivery
from differ.store.records import ROLES, KeptDiff, kept_finding, response_of
from differ.store.settlement import SessionId
from differ.worker.builds import Builds
from differ.worker.endpoints import Endpoints
from mirrordiff.v1.capture_pb2 import Capture

UNPAIRED = "unpaired"
"""The result of a response that stayed alone."""


class Finding(msgspec.Struct, frozen=True):
    """What one delivery came to. ``diff`` makes the document of a pair that is worth keeping.

    ``traces`` are the trace contexts of the copies of a request that was answered differently.
    ``rules`` are those that judged it: by the time it is counted, others may be in force.
    """

    session: SessionId
    rules: RuleSet
    primary_version: str
    endpoint: str
    counts: Mapping[str, int]
    result: str
    diff: Callable[[], KeptDiff] | None = None
    signatures: tuple[str, ...] = ()
    traces: tuple[tuple[Role, str], ...] = ()


class Judge:
    """Judges deliveries. ``rules`` gives the rules in force for a session."""

    def __init__(
        self,
        endpoints: Endpoints,
        rules: Callable[[SessionId], RuleSet],
        builds: Builds,
        schemas: Schemas | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._rules = rules
        self._builds = builds
        self._schemas = schemas

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
        return self._pair(delivery, captures)

    def _alone(self, capture: Capture, reason: str) -> Finding:
        role = ROLES.get(capture.role, Role.PRIMARY)
        builds = self._builds
        session = SessionId(
            capture.service, builds.candidate(capture) if role is Role.SHADOW else builds.latest(capture)
        )
        endpoint = self._endpoints.of(session, capture.method, capture.path)
        return Finding(
            session,
            self._rules(session),
            builds.primary(capture) if role is Role.PRIMARY else "",
            endpoint,
            count_unpaired(role, endpoint, reason),
            UNPAIRED,
        )

    def _pair(self, delivery: Delivery, captures: Sequence[Capture]) -> Finding:
        primary, shadow = captures[:2]
        control = captures[2] if len(captures) > 2 else None
        session = SessionId(primary.service, self._builds.candidate(shadow))
        arrival = _arrival(primary)
        pair = Pair(
            service=session.service,
            candidate=session.candidate,
            primary_version=self._builds.primary(primary),
            endpoint=self._endpoints.of(session, primary.method, primary.path),
            request_id=primary.request_id,
            method=primary.method,
            path=primary.path,
            primary=response_of(primary),
            shadow=response_of(shadow),
            control=None if control is None else response_of(control),
            primary_arrival=arrival,
            shadow_arrival=_arrival(shadow),
            control_arrival=UNKNOWN if control is None else _arrival(control),
            ambiguous=delivery.kind == b"A",
            retried=primary.attempt > 1,
            second=second_of(arrival.started_us, _paired_ms(delivery) * 1000),
        )
        late_control = delivery.kind == b"C"
        rules = self._rules(session)
        examination = (examine_control if late_control else examine)(pair, rules, self._schemas)
        if late_control or not worth_keeping(examination.outcome):
            result = "control" if late_control else str(examination.outcome.result)
            return Finding(session, rules, pair.primary_version, pair.endpoint, examination.counts, result)
        shown = signatures_shown(pair, examination.outcome)
        return Finding(
            session,
            rules,
            pair.primary_version,
            pair.endpoint,
            examination.counts,
            str(examination.outcome.result),
            # Made only where it is wanted: most pairs show what others have shown before.
            partial(_kept, delivery, pair, examination.outcome, shown),
            tuple(dict.fromkeys(signature for _, signature in shown)),
            tuple((ROLES[each.role], each.traceparent) for each in captures if each.traceparent)
            if examination.outcome.result is Result.DIFFERENT
            else (),
        )


def _arrival(capture: Capture) -> Arrival:
    # A capture without a time has a zero there, which is no time of an answer.
    return Arrival(capture.started_us if capture.started_us > 0 else None, _ids(capture))


def _ids(capture: Capture) -> tuple[str, ...]:
    """What an answer may echo of its own request: its id, its trace context, and the two ids in that."""
    context = capture.traceparent
    return (capture.request_id, context, context[3:35], context[36:52]) if context else (capture.request_id,)


def _paired_ms(delivery: Delivery) -> int:
    # A ready stream numbers its entries by the time when they came, milliseconds since the Unix epoch.
    return int(delivery.entry_id.partition(b"-")[0])


def _kept(
    delivery: Delivery, pair: Pair, outcome: Outcome, shown: Sequence[tuple[core.Finding, str]]
) -> KeptDiff:
    sequence = delivery.entry_id.partition(b"-")[2]
    return KeptDiff(
        # Sorts by time, is the same whoever judges the entry, and ends in its partition.
        id=f"{_paired_ms(delivery):011x}{int(sequence):05x}{delivery.partition:x}",
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
