"""Reading what has been counted and kept: services, sessions, tallies, diffs, losses, lag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from differ.core.tally import Tally
from differ.core.trend import Trend
from differ.store import state
from differ.store.records import KeptDiff, decode_diff
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
    one in force is the last. ``stores`` are the runs of Redis that it was kept in, each with the time
    when that was first noticed.
    """

    id: str
    service_id: str
    service: str
    candidate: str
    primary_versions: tuple[str, ...]
    started_us: int
    last_seen_us: int
    epochs: tuple[Epoch, ...]
    stores: tuple[int, ...] = ()

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
        found = [await self.session(service_id, member.decode()) for member in members]
        return [session for session in found if session is not None]

    async def session(self, service_id: str, session_id: str) -> Session | None:
        """One session; None where there is none of that id."""
        text = await self._hash(key("session", session_key(service_id, session_id)))
        if not text:
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
            stores=tuple(sorted(int(us) for name, us in text.items() if name.startswith("store."))),
        )

    async def tally(self, session: Session, epoch: str) -> Tally:
        """What one epoch of a session has counted, over all partitions."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            pipeline.hgetall(partition_key("tally", number, session.key, epoch))
        counts: dict[str, int] = {}
        for answer in await pipeline.execute():
            for name, value in answer.items():
                text = name.decode()
                counts[text] = counts.get(text, 0) + int(value)
        return Tally.of(counts)

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

    async def diff_ids(self, session: Session) -> dict[str, list[str]]:
        """The kept diffs of each signature, newest first. An id sorts by time."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            pipeline.hgetall(partition_key("examples", number, session.key))
        found: dict[str, list[str]] = {}
        for answer in await pipeline.execute():
            for signature, ids in answer.items():
                found.setdefault(signature.decode(), []).extend(ids.decode().split())
        return {signature: sorted(ids, reverse=True) for signature, ids in found.items()}

    async def diffs(self, session: Session, ids: list[str]) -> list[KeptDiff]:
        """The kept diffs of these ids, in their order; those that have expired are left out."""
        pipeline = self._redis.pipeline(transaction=False)
        for diff_id in ids:
            pipeline.get(partition_key("diff", partition_of_diff(diff_id), session.key, diff_id))
        return [decode_diff(raw) for raw in await pipeline.execute() if raw is not None]

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

    async def _hash(self, name: str) -> dict[str, str]:
        rows = cast("dict[bytes, bytes]", await self._redis.hgetall(name))
        return {field.decode(): value.decode() for field, value in rows.items()}


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


def partition_of_diff(diff_id: str) -> int:
    """A diff's partition stands at the end of its id, in hexadecimal."""
    return int(diff_id[-1], 16) % PARTITIONS
