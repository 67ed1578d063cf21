"""What the doctor looks at. Pure data, and the one function that fetches it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from differ.core.tally import Tally
from differ.store.evidence import Evidence, Lag, Session
from differ.store.installation import Server, Workers, all_losses, servers, workers
from mirrordiff.process.redis import Client

MOST_SERVICES = 50
"""Services looked at, those seen last; more would make this slow and its answer unread."""


@dataclass(frozen=True, slots=True)
class ServiceSigns:
    """The newest session of a service. ``unpaired`` by role and reason, ``skipped`` by reason.

    ``idle_s``: since anything of it was judged. ``controls``: pairs that had a control's answer too.
    """

    service: str
    candidate: str
    idle_s: float
    pairs: int = 0
    controls: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unpaired: Counter[tuple[str, str]] = field(default_factory=Counter)

    def alone(self, role: str) -> int:
        """Answers of a role that never met their twin."""
        return sum(count for (whose, _), count in self.unpaired.items() if whose == role)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that have been captured."""
        seen = {
            "primary": self.pairs or self.alone("primary"),
            "shadow": self.pairs or self.alone("shadow"),
            "control": self.controls or self.alone("control"),
        }
        return tuple(role for role, count in seen.items() if count)


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that Redis tells of an installation. ``services``: the one seen last comes first."""

    servers: list[Server]
    lag: Lag
    workers: Workers | None
    losses: dict[tuple[str, str], int]
    services: list[ServiceSigns]
    cluster_url: bool = False


async def observe(redis: Client, *, cluster_url: bool) -> Observed:
    """Look. Raises one of mirrordiff.process.redis.UNAVAILABLE where Redis does not answer."""
    evidence = Evidence(redis)
    await evidence.ping()
    now_us = time.time_ns() // 1000
    signs: list[ServiceSigns] = []
    for service in (await evidence.services())[:MOST_SERVICES]:
        sessions = await evidence.sessions(service.id)
        if sessions:
            idle_s = max(0.0, (now_us - sessions[0].last_seen_us) / 1e6)
            signs.append(_signs(sessions[0], idle_s, await _tally(evidence, sessions[0])))
    return Observed(
        servers=await servers(redis),
        lag=await evidence.lag(),
        workers=await workers(redis),
        losses=await all_losses(redis),
        services=signs,
        cluster_url=cluster_url,
    )


async def _tally(evidence: Evidence, session: Session) -> Tally:
    total = Tally()
    for epoch in session.epochs:
        total += await evidence.tally(session, epoch.id)
    return total


def _signs(session: Session, idle_s: float, tally: Tally) -> ServiceSigns:
    skipped: Counter[str] = Counter()
    unpaired: Counter[tuple[str, str]] = Counter()
    endpoints = tally.endpoints.values()
    for endpoint in endpoints:
        skipped.update(endpoint.skipped)
        unpaired.update(endpoint.unpaired)
    return ServiceSigns(
        service=session.service,
        candidate=session.candidate,
        idle_s=idle_s,
        pairs=sum(endpoint.compared for endpoint in endpoints) + skipped.total(),
        controls=sum(endpoint.triples for endpoint in endpoints),
        skipped=skipped,
        unpaired=unpaired,
    )
