"""What Redis has counted, over every service, session and epoch."""

from __future__ import annotations

from typing import Any

from differ.core.tally import Tally
from differ.store.evidence import Evidence


async def totals(client: Any) -> tuple[int, int]:
    """Pairs compared, and different."""
    evidence = Evidence(client)
    tally = Tally()
    for service in await evidence.services():
        for session in await evidence.sessions(service.id):
            for epoch in session.epochs:
                tally += await evidence.tally(session, epoch.id)
    endpoints = tally.endpoints.values()
    return sum(one.compared for one in endpoints), sum(one.different for one in endpoints)
