"""Keeps Redis' list of sessions current, and knows which candidate each service is on."""

from __future__ import annotations

import time
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
        self._rules: dict[str, int] = {}
        self._candidates: dict[str, str] = {}

    @property
    def candidates(self) -> Mapping[str, str]:
        """The candidate of each service that was seen last."""
        return self._candidates

    def saw(self, session: SessionId, primary_version: str, rules: RuleSet, *, current: bool) -> None:
        """A session was seen. ``current``: on a shadow's word, so this is the service's candidate now."""
        if current:
            self._candidates[session.service] = session.candidate
        self._rules[rules.digest] = len(rules.rules)
        versions = self._seen.setdefault((session, rules.digest), set())
        if primary_version:
            versions.add(primary_version)

    async def write_new(self) -> None:
        """Write what has been seen for the first time."""
        for part, versions in self._seen.items():
            if part not in self._written or versions - self._written[part]:
                await self._write(part, versions)

    async def refresh(self) -> None:
        """Write what was seen since the last time, and learn what others saw."""
        seen, self._seen = self._seen, {}
        for part, versions in seen.items():
            await self._write(part, versions)
        await self._learn()

    async def _learn(self) -> None:
        for service, candidate in (await self._settlement.latest_candidates()).items():
            self._candidates.setdefault(service, candidate)

    async def _write(self, part: _Part, versions: set[str]) -> None:
        session, digest = part
        await self._settlement.register(
            session,
            now_us=time.time_ns() // 1000,
            primary_versions=sorted(versions),
            epoch=digest,
            rules=self._rules[digest],
        )
        self._written.setdefault(part, set()).update(versions)
