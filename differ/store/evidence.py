"""Reading what has been counted: services, sessions, tallies, losses, lag."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from differ.core.names import CHANGES
from differ.core.tally import Tally
from differ.core.trend import Trend
from differ.store import state
from mirrordiff.process.redis import Client
from mirrordiff.redis_keys import PARTITIONS, key, partition_key, session_key

TOGETHER_US: Final = 10_000_000
"""Workers that judge at the same time note it within this time of each other."""


@dataclass(frozen=True, slots=True)
class Service:
    """A mirrored service. ``id`` names it in URLs and keys, ``name`` is what it was captured as."""

    id: str
    name: str
    last_seen_us: int


@dataclass(frozen=True, slots=True)
class Epoch:
    """The part of a session that one set of rules judged; ``id`` is the rules' digest.

    ``first_us`` and ``last_us`` are of its pairs, None before any. ``lost`` and ``evicted`` are what had
    been counted, of captures and of keys, when it began.
    """

    id: str
    started_us: int
    rules: int
    first_us: int | None = None
    last_us: int | None = None
    lost: int = 0
    evicted: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """All evidence about one candidate of one service. Times in microseconds since the Unix epoch.

    ``primary_versions`` are all builds of v1 seen. ``epochs`` are in order of their start, but that the
    one in force is the last. ``stores`` are the runs of Redis that it was kept in (see `StoreState`),
    each with the time when a worker first noticed it.
    """

    id: str
    service_id: str
    service: str
    candidate: str
    primary_versions: tuple[str, ...]
    started_us: int
    last_seen_us: int
    epochs: tuple[Epoch, ...]
    stores: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return session_key(self.service_id, self.id)


@dataclass(frozen=True, slots=True)
class Lag:
    """What is captured and not yet judged: pairs on the ready streams, and the age of the oldest."""

    pairs: int
    oldest_age_s: float


class Evidence:
    """Reads. Nothing here writes, and nothing here decides."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis

    async def ping(self) -> None:
        """Raises one of mirrordiff.process.redis.UNAVAILABLE where Redis does not answer."""
        await self._redis.ping()

    async def services(self) -> list[Service]:
        """Every service, last seen first."""
        rows = cast(
            "list[tuple[bytes, float]]",
            await self._redis.zrange(key("services"), 0, -1, desc=True, withscores=True),
        )
        return [_service(member, score) for member, score in rows]

    async def sessions(self, service_id: str) -> list[Session]:
        """The sessions of a service, last seen first; empty where there is no such service."""
        members = cast("list[bytes]", await self._redis.zrange(key("sessions", service_id), 0, -1, desc=True))
        ids = [member.decode() for member in members]
        pipeline = self._redis.pipeline(transaction=False)
        for session_id in ids:
            pipeline.hgetall(key("session", session_key(service_id, session_id)))
        answers = await pipeline.execute() if ids else []
        found = [_session(service_id, *each) for each in zip(ids, answers, strict=True)]
        return [session for session in found if session is not None]

    async def latest(self, service_id: str) -> Session | None:
        """The session of a service that was last seen; None where there is none."""
        members = cast("list[bytes]", await self._redis.zrange(key("sessions", service_id), 0, 0, desc=True))
        return await self.session(service_id, members[0].decode()) if members else None

    async def session(self, service_id: str, session_id: str) -> Session | None:
        """One session; None where there is none of that id, or none yet: it is written field by field."""
        rows = await self._redis.hgetall(key("session", session_key(service_id, session_id)))
        return _session(service_id, session_id, cast("dict[bytes, bytes]", rows))

    async def tally(self, session: Session, epoch: str) -> Tally:
        """What one epoch of a session has counted, over all partitions."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            pipeline.hgetall(partition_key("tally", number, session.key, epoch))
        # Up to some 100,000 counters: others who ask get their turn in between.
        return await asyncio.to_thread(_summed, await pipeline.execute())

    async def trend(self, session: Session, epoch: str) -> Trend:
        """How one epoch of a session went over time, over all partitions."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            pipeline.hgetall(partition_key("trend", number, session.key, epoch))
        # Partitions have much the same names: those of one grain are added before they are read.
        by_grain: dict[int, dict[bytes, int]] = {}
        for answer in await pipeline.execute():
            counts = by_grain.setdefault(int(answer.pop(b"grain", 0)), {})
            for name, value in answer.items():
                counts[name] = counts.get(name, 0) + int(value)
        trends = (
            Trend.of(grain, {name.decode(): count for name, count in counts.items()})
            for grain, counts in by_grain.items()
        )
        return sum(trends, Trend())

    async def tally_versions(self, session: Session, epoch: str) -> tuple[bytes | None, ...]:
        """What changes with every change of the tally, while the runs of the store are the same."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            pipeline.hget(partition_key("tally", number, session.key, epoch), CHANGES)
        return tuple(await pipeline.execute())

    async def losses(self, service: str) -> dict[str, int]:
        """Captures of a service that were not kept, by reason. Those of no known service count for each."""
        return await state.losses(self._redis, service)

    async def store_state(self) -> state.StoreState:
        """What Redis says about itself."""
        return await state.store_state(self._redis)

    async def lag(self) -> Lag:
        """How far judging is behind capturing, over all services."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            pipeline.xlen(partition_key("ready", number))
            pipeline.xrange(partition_key("ready", number), count=1)
        answers = await pipeline.execute()
        seconds, micros = await self._redis.time()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        oldest = [int(entry[0][0].split(b"-")[0]) for entry in answers[1::2] if entry]
        return Lag(sum(answers[0::2]), max(0.0, (now_ms - min(oldest, default=now_ms)) / 1000))


def _summed(answers: Sequence[Mapping[bytes, bytes]]) -> Tally:
    counts: dict[bytes, int] = {}
    for answer in answers:
        for name, value in answer.items():
            counts[name] = counts.get(name, 0) + int(value)
    counts.pop(CHANGES.encode(), None)
    return Tally.of({name.decode(): count for name, count in counts.items()})


def _session(service_id: str, session_id: str, rows: Mapping[bytes, bytes]) -> Session | None:
    text = {field.decode(): value.decode() for field, value in rows.items()}
    if "started_us" not in text:
        return None
    return Session(
        id=session_id,
        service_id=service_id,
        service=text["service"],
        candidate=text["candidate"],
        primary_versions=tuple(
            sorted(name.removeprefix("primary.") for name in text if name.startswith("primary."))
        ),
        started_us=int(text["started_us"]),
        last_seen_us=int(text["last_seen_us"]),
        epochs=_epochs(text),
        stores={
            name.removeprefix("store."): int(us) for name, us in text.items() if name.startswith("store.")
        },
    )


def _epochs(text: Mapping[str, str]) -> tuple[Epoch, ...]:
    """The epochs in a session's hash.

    In force is the one begun last among those that judge: while workers take new rules over one by one,
    two do, and rules that are taken back leave the later ones unseen.
    """
    seen: dict[str, int] = {}
    epochs: list[Epoch] = []
    for name, value in text.items():
        family, _, digest = name.partition(".")
        if family == "epoch":
            started, _, rules = value.partition(" ")
            seen[digest] = int(text.get(f"seen.{digest}", started))
            epochs.append(
                Epoch(
                    digest,
                    int(started),
                    int(rules or 0),
                    _number(text, f"first.{digest}"),
                    _number(text, f"last.{digest}"),
                    _number(text, f"lost.{digest}") or 0,
                    _number(text, f"evicted.{digest}") or 0,
                )
            )
    recently = max(seen.values(), default=0) - TOGETHER_US
    return tuple(sorted(epochs, key=lambda epoch: (seen[epoch.id] >= recently, epoch.started_us)))


def _number(text: Mapping[str, str], name: str) -> int | None:
    return int(text[name]) if name in text else None


def _service(member: bytes, score: float) -> Service:
    service_id, _, name = member.decode().partition("\n")
    return Service(service_id, name or service_id, int(score))
