"""Noise profiles of ``mirrordiff up``: taken from a run of v1 against v1, kept in Redis and in a file.

A file is one JSON object: ``session``, ``taken_us`` (microseconds since the Unix epoch) and ``counts``,
the tally of that run. No captured value is in it: names of endpoints and fields are.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import msgspec

from differ.core.tally import Tally
from differ.store.decisions import Decisions, KeptProfile
from differ.store.evidence import Evidence
from mirrordiff.process.redis import Client, connect
from mirrordiff.redis_keys import resource_id

CALIBRATION: Final = "calibration"
"""The candidate that v1 is called where it is mirrored to itself."""

_PATIENCE: Final = 5.0
"""How long, in seconds, what is still on its way when the run ends may take."""

_LOOK: Final = 0.1


class _File(msgspec.Struct, forbid_unknown_fields=True):
    session: str
    taken_us: int
    counts: dict[str, int]


def read(file: Path) -> KeptProfile:
    """The profile in a file. Raises OSError, and ValueError where it is none."""
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=_File)
        return KeptProfile(kept.session, kept.taken_us, Tally.of(kept.counts))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"is not a noise profile: {error}") from None


def write(file: Path, profile: KeptProfile) -> None:
    """Write a profile. Raises OSError."""
    kept = _File(profile.session, profile.taken_us, dict(profile.tally.counts))
    file.write_bytes(msgspec.json.encode(kept))


def pairs(profile: KeptProfile) -> int:
    """How many pairs a profile is of."""
    return sum(seen.compared for seen in profile.tally.endpoints.values())


def give(redis_url: str, service: str, profile: KeptProfile) -> None:
    """Have gates on a service use a profile. Raises as redis-py does."""

    async def work() -> None:
        client = connect(redis_url, name="up")
        try:
            await Decisions(client).keep_profile(resource_id(service), profile)
        finally:
            await client.aclose()

    asyncio.run(work())


def take(redis_url: str, service: str) -> KeptProfile | None:
    """The profile that a run has made, kept in Redis too; None of a run without a pair.

    Raises as redis-py does.
    """

    async def work() -> KeptProfile | None:
        client = connect(redis_url, name="up")
        try:
            return await _taken(client, resource_id(service))
        finally:
            await client.aclose()

    return asyncio.run(work())


async def _taken(client: Client, service_id: str) -> KeptProfile | None:
    evidence = Evidence(client)
    deadline = time.monotonic() + _PATIENCE
    while (await evidence.lag()).pairs and time.monotonic() < deadline:  # noqa: ASYNC110  # others judge
        await asyncio.sleep(_LOOK)
    session = await evidence.session(service_id, CALIBRATION)
    if session is None or not session.epochs:
        return None
    epoch = session.epochs[-1]
    profile = KeptProfile(
        session.id, epoch.last_us or session.last_seen_us, await evidence.tally(session, epoch.id)
    )
    if not pairs(profile):
        return None
    await Decisions(client).keep_profile(service_id, profile)
    return profile
