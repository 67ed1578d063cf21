"""Keeps Redis' list of sessions current, and knows which candidate each service is on."""

from __future__ import annotations

from collections.abc import Mapping

from differ.core.rules import RuleSet
from differ.store.settlement import SessionId, Settlement

_Part = tuple[SessionId, str]
"""A session, and the digest of the rules that judged this part of it."""


class Register:
    """Notes what was seen. A session that is new is to be written before its first count."""

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement
        self._written: dict[_Part, set[str]] = {}
        self._seen: dict[_Part, set[str]] = {}
        self._paired: set[_Part] = set()
        self._rules: dict[str, int] = {}
        self._candidates: dict[str, str] = {}

    @property
    def candidates(self) -> Mapping[str, str]:
        """The candidate of each service that was seen last."""
        return self._candidates

    def on(self, session: SessionId) -> None:
        """A shadow says that its service is on this candidate now."""
        self._candidates[session.service] = session.candidate

    def saw(self, session: SessionId, primary_version: str, rules: RuleSet, *, paired: bool) -> None:
        """A session was seen: a pair of it, or a response that stayed alone."""
        part = session, rules.digest
        if paired:
            self._paired.add(part)
        self._rules[rules.digest] = len(rules.rules)
        versions = self._seen.setdefault(part, set())
        if primary_version:
            versions.add(primary_version)

    async def write_new(self) -> None:
        """Write what has been seen for the first time."""
        new = [
            part
            for part, versions in self._seen.items()
            if part not in self._written or versions - self._written[part]
        ]
        if new:
            await self._write(new)

    async def refresh(self) -> None:
        """Write what was seen since the last time, and learn what others saw. Safe to repeat."""
        seen = {part: part in self._paired for part in self._seen}
        if seen:
            await self._write(list(seen))
        for part, paired in seen.items():
            # What was seen while this was being written is for the next time.
            if self._seen[part] <= self._written[part] and paired == (part in self._paired):
                del self._seen[part]
                self._paired.discard(part)
        await self._learn()

    async def _learn(self) -> None:
        for service, candidate in (await self._settlement.latest_candidates()).items():
            self._candidates.setdefault(service, candidate)

    async def _write(self, parts: list[_Part]) -> None:
        """Write parts of sessions, as of now by the clock of Redis: it is one for all workers."""
        now_us, state = await self._settlement.now_us(), await self._settlement.store_state()
        for part in parts:
            session, digest = part
            versions = set(self._seen[part])
            new = part not in self._written
            await self._settlement.register(
                session,
                now_us=now_us,
                primary_versions=sorted(versions),
                epoch=digest,
                rules=self._rules[digest],
                paired=part in self._paired,
                state=state,
                lost=await self._settlement.lost(session.service) if new else 0,
            )
            self._written.setdefault(part, set()).update(versions)
