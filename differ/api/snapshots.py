"""One session read, summarised and judged, for all who ask within the same moment.

Reading a session costs a round trip for each partition and some milliseconds of thought. Gates poll,
pages refresh, watchers watch: they share one snapshot for as long as it is fresh, and while it is
made, everyone who asks waits for the same one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from differ.api.notes import RuleNotes
from differ.core.facts import Profile, SessionFacts
from differ.core.policy import Policy
from differ.core.report import Report, summarise
from differ.core.tally import Tally
from differ.core.verdict import Verdict, judge, latch, standing
from differ.store.decisions import Decisions
from differ.store.evidence import Evidence, Session
from differ.store.reviews import Review, Reviews
from mirrordiff.process.logs import logger
from mirrordiff.process.redis import UNAVAILABLE, RedisError

log = logger("differ.api.snapshots")

FRESH_S: Final = 0.5
"""Age up to which a snapshot is given again. Shorter than anyone polls, longer than a burst of askers."""

_MOST_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session at one moment, ``at_us`` microseconds since the Unix epoch."""

    session: Session
    report: Report
    verdict: Verdict
    at_us: int


class Snapshots:
    """Snapshots by session and gate, made at most once at a time and kept while fresh."""

    def __init__(
        self,
        evidence: Evidence,
        decisions: Decisions,
        gates: dict[str, Policy],
        notes: RuleNotes,
        reviews: Reviews,
        clock: Callable[[], float],
        *,
        public_url: str = "",
        fresh_s: float = FRESH_S,
    ) -> None:
        self._evidence = evidence
        self.decisions = decisions
        self.gates = gates
        self.notes = notes
        self.reviews = reviews
        self._clock = clock
        self._public_url = public_url.rstrip("/")
        self._fresh_s = fresh_s
        self._kept: dict[tuple[str, str], tuple[float, asyncio.Task[Snapshot]]] = {}

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return int(self._clock() * 1_000_000)

    async def of(self, session: Session, gate: str) -> Snapshot:
        """The snapshot of a session, no older than is fresh."""
        place = (session.key, gate)
        started, task = self._kept.get(place, (float("-inf"), None))
        now = asyncio.get_running_loop().time()
        if task is None or (task.done() and now - started > self._fresh_s):
            if len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            task = asyncio.create_task(self._make(session, gate))
            # Where every asker has left, nobody else looks at what went wrong.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._kept[place] = (now, task)
        try:
            # One asker who leaves must not take the snapshot from the others.
            return await asyncio.shield(task)
        except Exception:
            if self._kept.get(place, (now, None))[1] is task:
                del self._kept[place]
            raise

    async def _make(self, session: Session, gate: str) -> Snapshot:
        epoch = session.epochs[-1] if session.epochs else None
        tally, losses, lag, sessions, (profile, reviews), store = await asyncio.gather(
            self._evidence.tally(session, epoch.id if epoch else ""),
            self._evidence.losses(session.service),
            self._evidence.lag(),
            self._evidence.sessions(session.service_id),
            asyncio.gather(self.decisions.profile(session.service_id), self.reviews.of(session.service_id)),
            self._evidence.store_state(),
        )
        now_us = self.now_us()
        policy = self.gates[gate]
        facts = replace(
            self.facts(session.service, session.candidate, gate, reviews),
            session=session.id,
            primary_versions=session.primary_versions,
            epoch=epoch.id if epoch else "",
            latest_candidate=sessions[0].candidate if sessions else None,
            epochs=len(session.epochs),
            opened_us=epoch.started_us if epoch else session.started_us,
            first_us=epoch.first_us if epoch else None,
            last_us=epoch.last_us if epoch else None,
            lag_pairs=lag.pairs,
            lag_us=int(lag.oldest_age_s * 1_000_000),
            # Both count on for as long as the store runs, and from zero once it is started anew.
            dropped=max(0, sum(losses.values()) - (epoch.lost if epoch else 0)),
            evicted=max(0, store.evicted - (epoch.evicted if epoch else 0)),
            discontinuity=_interrupted(session, policy),
            profile=None if profile is None else Profile(profile.tally, profile.taken_us),
            report_uri=self.report_uri(session),
        )
        report = summarise(tally, facts, policy)
        verdict = judge(report, policy, facts, now_us)
        return Snapshot(session, report, await self._standing(session, gate, verdict), now_us)

    async def _standing(self, session: Session, gate: str, verdict: Verdict) -> Verdict:
        """The verdict with the decision that stands, which is kept if this is it."""
        before = await self.decisions.latched(session, gate, verdict.facts.epoch)
        decided = latch(before, verdict)
        if decided is not None and decided != before:
            try:
                decided = await self.decisions.keep(session, gate, decided)
            except UNAVAILABLE:
                raise
            except RedisError as error:
                # Full, a replica, or not allowed to: what was decided is decided, and said all the same.
                log.warning("decision_not_kept", error=type(error).__name__)
        return standing(verdict, decided)

    def facts(self, service: str, candidate: str, gate: str, reviews: Sequence[Review] = ()) -> SessionFacts:
        """What is known without any session."""
        notes = self.notes.of(service, candidate, [review.rule for review in reviews])
        return SessionFacts(service=service, candidate=candidate, gate=gate, rules=notes)

    def report_uri(self, session: Session) -> str:
        """Where the report page of a session is."""
        return f"{self._public_url}/services/{session.service_id}/sessions/{session.id}"

    def without_evidence(self, service: str, candidate: str, gate: str, *, away: bool) -> Verdict:
        """The verdict where there is no session of this candidate, or where the store is ``away``."""
        facts = replace(
            self.facts(service, candidate, gate), exists=away, store_unavailable=away, report_uri=""
        )
        policy = self.gates[gate]
        return judge(summarise(Tally(), facts, policy), policy, facts, self.now_us())


def _interrupted(session: Session, policy: Policy) -> bool:
    """Whether Redis was started anew, or a replica took over, too short a time before the last pair.

    What was lost then is whole pairs, whatever was in them. So the pairs before it count, and what it
    takes is that enough time has been watched without a break.
    """
    if not session.epochs or not session.stores:
        return False
    epoch, broken_us = session.epochs[-1], session.stores[-1]
    unbroken_us = (epoch.last_us or broken_us) - broken_us
    return broken_us > epoch.started_us and unbroken_us < policy.min_duration * 1_000_000
