"""Counting what was judged, exactly once, and keeping examples of it.

The tally moves in the script that acknowledges the entry, and only where the acknowledgement was
still owed: a worker killed at any point loses nothing and counts nothing twice. Examples and the
register of sessions are written beside it; written twice, they are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

import msgspec
from redis.exceptions import OutOfMemoryError

from differ.core.names import CHANGES, fold
from differ.store.records import KeptDiff, encode_diff, encode_line
from differ.store.scripts import script
from differ.store.state import StoreState, losses, store_state
from mirrordiff.process.redis import Client
from mirrordiff.redis_keys import BY_NAME, GROUP, key, partition_key, resource_id, session_key

MOST_NAMES: Final = 20_000
"""Distinct counters in one partition's tally of a session; further ones are counted under their fold."""

MOST_KEPT: Final = 6_250
"""Diffs kept of a session in one partition: 100,000 in all, however many signatures it has."""

MOST_SHOWN: Final = 100_000
"""Signatures that a process remembers to have an example; past it, it asks Redis again."""

MOST_IN_TREND: Final = 512
"""Counters in one partition's trend of a session; beyond it buckets are joined two by two."""

FEWEST_BUCKETS: Final = 16
"""A trend with fewer says nothing: rather than that, fields and then endpoints are told apart no more."""

_TALLY_TTL: Final = BY_NAME["tally"].ttl or 0
_ENDPOINTS_TTL: Final = BY_NAME["endpoints"].ttl or 0
_EXAMPLE_TTL: Final = BY_NAME["diff"].ttl or 0
_SESSION_TTL: Final = BY_NAME["session"].ttl or 0


class SessionId(msgspec.Struct, frozen=True):
    """The identity of a session, as captured. ``key`` is its part of a Redis key."""

    service: str
    candidate: str

    @property
    def key(self) -> str:
        return session_key(resource_id(self.service), resource_id(self.candidate))


class Judged(msgspec.Struct, frozen=True):
    """What became of one entry: what it adds to the tally of which session and epoch."""

    partition: int
    entry_id: bytes
    session_key: str
    epoch: str
    counts: Mapping[str, int]


class Settlement:
    """Writes what a worker found."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._settle = script("settle")
        self._keep = script("keep")
        self._sweep = script("sweep")
        self._admit = script("admit")
        self._register = script("register")
        self._list = script("list")
        self._shown: set[tuple[int, str, str]] = set()

    async def settle(self, judged: Sequence[Judged]) -> int:
        """Acknowledge and count; returns how many entries were still owed. Safe to repeat."""
        by_partition: dict[int, list[Judged]] = {}
        for item in judged:
            by_partition.setdefault(item.partition, []).append(item)
        calls = [_settle_call(number, items) for number, items in by_partition.items()]
        answers = await self._settle.call(self._redis, calls)
        return sum(len(answer) for answer in answers)

    def example_wanted(self, partition: int, session: str, signatures: Sequence[str]) -> bool:
        """Whether one of these signatures has, as far as this process knows, no example here yet."""
        return any((partition, session, signature) not in self._shown for signature in signatures)

    async def keep(self, partition: int, session: str, diff: KeptDiff, signatures: Sequence[str]) -> None:
        """Keep a diff for its signatures that have no example in this partition, if there is room.

        There is none while Redis is full: examples are samples, and settling must go on to make room.
        """
        prefix = partition_key("diff", partition, session) + ":"
        keys = [
            partition_key("examples", partition, session),
            prefix + diff.id,
            partition_key("kept", partition, session),
        ]
        arguments: list[str | bytes | int] = [
            diff.id,
            encode_diff(diff),
            encode_line(diff, signatures),
            prefix,
            _EXAMPLE_TTL,
            MOST_KEPT,
            *signatures,
        ]
        try:
            await self._keep.call(self._redis, [(keys, arguments)])
        except OutOfMemoryError:
            return
        if len(self._shown) > MOST_SHOWN:
            self._shown.clear()
        self._shown.update((partition, session, signature) for signature in signatures)

    async def sweep(self, partition: int, remember_ms: int = 120_000) -> int:
        """Hand on what has waited in vain in one partition; returns how many responses that were."""
        most, alone = 500, 0
        keys = [partition_key("due", partition), partition_key("ready", partition)]
        while True:
            ((looked, handed_on),) = await self._sweep.call(self._redis, [(keys, [most, remember_ms])])
            alone += int(handed_on)
            if looked < most:
                return alone

    async def now_us(self) -> int:
        """Microseconds since the Unix epoch by the clock of Redis: one clock for all workers."""
        seconds, micros = await self._redis.time()
        return int(seconds) * 1_000_000 + int(micros)

    async def store_state(self) -> StoreState:
        """What Redis says about itself."""
        return await store_state(self._redis)

    async def lost(self, service: str) -> int:
        """Captures of a service that were not kept, so far."""
        return sum((await losses(self._redis, service)).values())

    async def admit(self, session: SessionId, endpoints: Sequence[str], most: int) -> list[str] | None:
        """Note recognised endpoints of a session, at most so many over all workers. Safe to repeat.

        None while there is room for all; once there is none, the endpoints that the session has.
        """
        name = key("endpoints", session.key)
        arguments: list[str | bytes | int] = [most, _ENDPOINTS_TTL, *map(_encoded, endpoints)]
        (members,) = await self._admit.call(self._redis, [([name], arguments)])
        return [_decoded(member) for member in members] or None

    async def register(
        self,
        session: SessionId,
        *,
        now_us: int,
        primary_versions: Sequence[str],
        epoch: str,
        rules: int,
        paired: bool = True,
        state: StoreState | None = None,
        lost: int = 0,
    ) -> None:
        """Note that a session is alive, and what belongs to it. ``rules`` is how many judge it.

        ``paired``: pairs of it were judged, not only responses that stayed alone. ``state`` and ``lost``
        are kept as what had happened before, where this epoch of the session is new.
        """
        service_id = resource_id(session.service)
        session_hash = key("session", session.key)
        now = str(now_us)
        fields = {
            "service": session.service,
            "candidate": session.candidate,
            "last_seen_us": now,
            f"seen.{epoch}": now,
        }
        first = {"started_us": now, f"epoch.{epoch}": f"{now} {rules}"}
        if paired:
            fields[f"last.{epoch}"] = now
            first[f"first.{epoch}"] = now
        fields.update({f"primary.{version}": "1" for version in primary_versions})
        if state is not None:
            first[f"lost.{epoch}"] = str(lost)
            first[f"evicted.{epoch}"] = str(state.evicted)
            first.update({f"store.{run}": now for run in state.runs})
        written = [part for field in (*fields.items(), *first.items()) for part in field]
        await self._register.call(self._redis, [([session_hash], [_SESSION_TTL, len(fields), *written])])
        listed = [
            (key("sessions", service_id), BY_NAME["sessions"], resource_id(session.candidate)),
            (key("services"), BY_NAME["services"], f"{service_id}\n{session.service}"),
        ]
        await self._list.call(
            self._redis, [([name], [family.ttl or 0, now_us, member]) for name, family, member in listed]
        )

    async def latest_candidates(self) -> dict[str, str]:
        """The candidate of each service that was seen last, both by the names they were captured as."""
        members = cast("list[bytes]", await self._redis.zrange(key("services"), 0, -1))
        found: dict[str, str] = {}
        for member in members:
            service_id, _, service = member.decode().partition("\n")
            newest = cast(
                "list[bytes]", await self._redis.zrange(key("sessions", service_id), 0, 0, desc=True)
            )
            if newest:
                session_hash = key("session", session_key(service_id, newest[0].decode()))
                candidate = await self._redis.hget(session_hash, "candidate")
                if isinstance(candidate, bytes):
                    found[service] = candidate.decode()
        return found


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _settle_call(partition: int, items: Sequence[Judged]) -> tuple[list[str], list[str | bytes | int]]:
    tallies: dict[tuple[str, str], int] = {}
    names: dict[str, int] = {}
    entries: list[list[str | int]] = []
    for item in items:
        entry: list[str | int] = [item.entry_id.decode(), 0]
        if item.counts:
            entry[1] = tallies.setdefault((item.session_key, item.epoch), len(tallies) + 2)
            for name, amount in item.counts.items():
                entry += (names.setdefault(name, len(names) + 1), amount)
        entries.append(entry)
    folds = [folded if (folded := fold(name)) != name else "" for name in names]
    keys = [partition_key("ready", partition)]
    for family in ("tally", "trend"):
        keys += [partition_key(family, partition, session, epoch) for session, epoch in tallies]
    batch = msgspec.msgpack.encode([list(names), folds, entries])
    return keys, [GROUP, MOST_NAMES, _TALLY_TTL, CHANGES, batch, MOST_IN_TREND, FEWEST_BUCKETS]
