"""What outlives one look at a session: the first decision of each gate, and noise profiles.

A decision is kept for one gate on one session under one set of rules. Two processes that decide at
the same time agree afterwards: FAIL stands against PASS, and of equals the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import msgspec

from differ.core.tally import Tally
from differ.core.verdict import Latched
from differ.store.evidence import Session
from differ.store.scripts import script
from mirrordiff.process.redis import Client
from mirrordiff.redis_keys import BY_NAME, key

_VERDICT_TTL: Final = BY_NAME["verdict"].ttl or 0
_PROFILE_TTL: Final = BY_NAME["profile"].ttl or 0


@dataclass(frozen=True, slots=True)
class KeptProfile:
    """How v1 differs from itself. ``taken_us``: when its last pair was judged, since the Unix epoch."""

    session: str
    taken_us: int
    tally: Tally


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Latched).decode


class Decisions:
    """Reads and writes them. Writing one again changes nothing."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._latch = script("latch")

    async def latched(self, session: Session, gate: str, epoch: str) -> Latched | None:
        """The decision of a gate that stands for one epoch of a session; None where none is kept."""
        raw = await self._redis.hget(key("verdict", session.key), _field(gate, epoch))
        return _readable(cast("bytes | None", raw))

    async def keep(self, session: Session, gate: str, latched: Latched) -> Latched:
        """Keep a decision; returns the one that stands now, which another process may have made."""
        name = key("verdict", session.key)
        arguments: list[str | bytes | int] = [
            _field(gate, latched.epoch),
            _encode(latched),
            str(latched.verdict),
            latched.policy_id,
            "" if latched.profile_us is None else latched.profile_us,
            _VERDICT_TTL,
        ]
        (stands,) = await self._latch.call(self._redis, [([name], arguments)])
        return _readable(stands) or latched

    async def profile(self, service_id: str) -> KeptProfile | None:
        """The noise profile of a service; None where none is kept."""
        rows = cast("dict[bytes, bytes]", await self._redis.hgetall(key("profile", service_id)))
        if not rows:
            return None
        counts = msgspec.msgpack.decode(rows[b"counts"], type=dict[str, int])
        return KeptProfile(rows[b"session"].decode(), int(rows[b"taken_us"]), Tally.of(counts))

    async def keep_profile(self, service_id: str, profile: KeptProfile) -> None:
        """Keep a noise profile in place of the one before."""
        name = key("profile", service_id)
        fields: dict[str, str | bytes] = {
            "session": profile.session,
            "taken_us": str(profile.taken_us),
            "counts": msgspec.msgpack.encode(dict(profile.tally.counts)),
        }
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hset(name, mapping=fields)  # type: ignore[arg-type]  # bytes are a value too
        pipeline.expire(name, _PROFILE_TTL)
        await pipeline.execute()

    async def forget_profile(self, service_id: str) -> bool:
        """Drop the noise profile of a service; whether there was one."""
        return bool(await self._redis.delete(key("profile", service_id)))


def _field(gate: str, epoch: str) -> str:
    return f"{gate}\n{epoch}"


def _readable(raw: bytes | None) -> Latched | None:
    """What was kept; None of what another version has written in a way that this one cannot read."""
    if raw is None:
        return None
    try:
        return _decode(raw)
    except msgspec.MsgspecError:
        return None
