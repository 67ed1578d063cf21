"""One session read, summarised and judged, for all who ask within the same moment.

Reading a session takes some milliseconds, or more where it has thousands of signatures. Gates poll,
pages refresh, watchers watch: they share one snapshot for as long as it is fresh, and while it is made
everyone who asks waits for the same one. What was counted is read again only where it has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from differ.api.fresh import Age, Fresh
from differ.api.notes import RuleNotes
from differ.core.document import Document, verdict_document
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

_MOST_KEPT: Final = 64
_MOST_TALLIES: Final = 6
"""Some 20 MB each where there are as many counters as there may be."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session at one moment, ``at_us`` microseconds since the Unix epoch."""

    session: Session
    report: Report
    verdict: Verdict
    document: Document
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
        age: Age = Age(),  # noqa: B008  # frozen
    ) -> None:
        self._evidence = evidence
        self.decisions = decisions
        self.gates = gates
        self.notes = notes
        self.reviews = reviews
        self._clock = clock
        self._public_url = public_url.rstrip("/")
        self._fresh: Fresh[tuple[str, str], Snapshot] = Fresh(age, _MOST_KEPT)
        self._tallies: dict[tuple[str, str], tuple[object, Tally]] = {}

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return int(self._clock() * 1_000_000)

    async def of(self, session: Session, gate: str) -> Snapshot:
        """The snapshot of a session, no older than is fresh."""
        return await self._fresh.get((session.key, gate), lambda: self._make(session, gate))

    async def _make(self, session: Session, gate: str) -> Snapshot:
        epoch = session.epochs[-1] if session.epochs else None
        losses, lag, latest, (profile, reviews), before = await asyncio.gather(
            self._evidence.losses(session.service),
            self._evidence.lag(),
            self._evidence.latest(session.service_id),
            asyncio.gather(self.decisions.profile(session.service_id), self.reviews.of(session.service_id)),
            self._evidence.store_state(),
        )
        tally = await self._tally(session, epoch.id if epoch else "", before.runs)
        # Once more, and last: whatever took over before or while the above was read shows in it.
        store = await self._evidence.store_state()
        policy = self.gates[gate]
        facts = replace(
            self.facts(session.service, session.candidate, gate, reviews),
            session=session.id,
            primary_versions=session.primary_versions,
            epoch=epoch.id if epoch else "",
            latest_candidate=latest.candidate if latest else None,
            epochs=len(session.epochs),
            opened_us=epoch.started_us if epoch else session.started_us,
            first_us=epoch.first_us if epoch else None,
            last_us=epoch.last_us if epoch else None,
            lag_pairs=lag.pairs,
            lag_us=int(lag.oldest_age_s * 1_000_000),
            # Both count on for as long as the store runs, and from zero once it is started anew.
            dropped=max(0, sum(losses.values()) - (epoch.lost if epoch else 0)),
            evicted=max(0, store.evicted - (epoch.evicted if epoch else 0)),
            discontinuity=_interrupted(session, store.runs, policy),
            profile=None if profile is None else Profile(profile.tally, profile.taken_us),
            report_uri=self.report_uri(session),
        )
        now_us = self.now_us()
        # Of a session with thousands of signatures this takes a while: others get their turn in between.
        verdict = await asyncio.to_thread(_judged, tally, facts, policy, now_us)
        verdict = await self._standing(session, gate, verdict)
        document = await asyncio.to_thread(verdict_document, verdict)
        return Snapshot(session, verdict.report, verdict, document, now_us)

    async def _tally(self, session: Session, epoch: str, runs: tuple[str, ...]) -> Tally:
        """What an epoch has counted, as it was read before where nothing has changed since."""
        place = (session.key, epoch)
        # Another run of the store may count up to the same again, by other pairs.
        state = (runs, await self._evidence.tally_versions(session, epoch))
        before, tally = self._tallies.pop(place, (None, Tally()))
        if before != state:
            tally = await self._evidence.tally(session, epoch)
        if len(self._tallies) >= _MOST_TALLIES:
            self._tallies.pop(next(iter(self._tallies)))
        self._tallies[place] = (state, tally)
        return tally

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

    def without_evidence(self, service: str, candidate: str, gate: str, *, away: bool) -> Document:
        """The document where there is no session of this candidate, or where the store is ``away``."""
        facts = replace(
            self.facts(service, candidate, gate), exists=away, store_unavailable=away, report_uri=""
        )
        return verdict_document(_judged(Tally(), facts, self.gates[gate], self.now_us()))


def _judged(tally: Tally, facts: SessionFacts, policy: Policy, now_us: int) -> Verdict:
    return judge(summarise(tally, facts, policy), policy, facts, now_us)


def _interrupted(session: Session, runs: Collection[str], policy: Policy) -> bool:
    """Whether Redis was started anew, or a replica took over, too short a time before the last pair.

    What was lost then is whole pairs, whatever was in them. So the pairs before it count, and what it
    takes is that enough time has been watched without a break. ``runs`` are those of now: one that no
    worker has noted since is such a break with nothing watched after it.
    """
    if not session.epochs or not session.stores:
        return False
    if not session.stores.keys() >= set(runs):
        return True
    epoch, broken_us = session.epochs[-1], max(session.stores.values())
    unbroken_us = (epoch.last_us or broken_us) - broken_us
    return broken_us > epoch.started_us and unbroken_us < policy.min_duration * 1_000_000
