"""Captures → Redis: a bounded queue, and batched calls of the pairing script.

Offering never waits: what does not fit is dropped and counted, because whoever offers is reading
from a proxy, and a proxy must never wait for us. A batch that Redis did not take is tried again
until it does, unchanged; the script knows a capture that it has seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from importlib.resources import files
from typing import Final

from collector.admission import Admission
from collector.metrics import Metrics
from collector.settings import CollectorSettings
from mirrordiff.process.logs import logger
from mirrordiff.process.redis import Client, RedisError, Script, code, passes
from mirrordiff.redis_keys import BY_NAME, PARTITIONS, key, partition_key, partition_of
from mirrordiff.v1.capture_pb2 import ROLE_CONTROL, ROLE_PRIMARY, ROLE_SHADOW, Capture

MOST_PER_BATCH: Final = 1000
"""Captures in one round trip: long enough to share its cost, short enough not to hold Redis up."""

GATHER_S: Final = 0.004
"""How long captures gather for a batch. Small beside the 200 ms that a proxy gathers its log for."""

REMEMBER_MS: Final = 120_000
"""How long a finished pair is known, so that a repeated half is told from a new request."""

SMALL: Final = 4096
"""Bytes that there is room for as long as the queue is not called full."""

RETRIABLE: Final = frozenset({0, 500, 502, 503, 504})
"""Statuses after which a proxy may ask a service again; 0 for no answer at all."""

LOOK_EVERY_S: Final = 1.0
"""How often Redis is looked at and told of losses, whether there is work or not."""

_RESULTS: Final = ("waiting", "paired", "duplicate", "superseded", "control", "late", "refused")
_ROLE: Final = {ROLE_PRIMARY: b"p", ROLE_SHADOW: b"s", ROLE_CONTROL: b"c"}

_Item = tuple[str, bytes, bytes, bytes, int, bytes]
"""Service, pair key, role letter, capture id, attempt, record."""

log = logger("collector.sink")


class Sink:
    """Queue and writer. ``run`` writes until ``close``; ``offer`` may be called from the loop's thread."""

    def __init__(self, redis: Client, settings: CollectorSettings, metrics: Metrics) -> None:
        self._redis = redis
        self._metrics = metrics
        self.most_bytes = settings.queue_bytes
        self._head = (round(settings.half_ttl * 1000), REMEMBER_MS, settings.stream_limit)
        self._pairing = Script(files("collector").joinpath("pairing.lua").read_text())
        self._halves = [partition_key("half", number).encode() + b":" for number in range(PARTITIONS)]
        self._fixed = [
            [partition_key(name, number).encode() for name in ("ready", "due", "control_seen")]
            for number in range(PARTITIONS)
        ]
        self._queue: list[_Item] = []
        self.admission = Admission()
        self._limit = settings.stream_limit
        self._backlog = 0
        self._grace = settings.retry_grace
        self._held: deque[tuple[float, _Item]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._losses_told: Counter[tuple[str, str]] = Counter()
        self.available = False
        self._looked = float("-inf")

    def offer(self, pair: bytes, capture: Capture) -> bool:
        """Take one capture; False, and counted as dropped, where the queue is full.

        One that is left out on purpose is counted as ``sampled_out`` and is no reason to come again.
        """
        if not self.admission.admits(pair):
            self._metrics.dropped[capture.service, "sampled_out"] += 1
            return True
        record = capture.SerializeToString()
        if self._metrics.queued_bytes + len(record) > self.most_bytes:
            self._metrics.dropped[capture.service, "queue_full"] += 1
            return False
        self._metrics.queued_bytes += len(record)
        item = (capture.service, pair, _ROLE[capture.role], capture.id, capture.attempt, record)
        if self._grace and capture.attempt and capture.role == ROLE_PRIMARY and capture.status in RETRIABLE:
            # Another attempt may follow, and the shadow is not to meet this one before that.
            self._held.append((time.monotonic() + self._grace, item))
            return True
        self._queue.append(item)
        self._wake.set()
        return True

    def _release(self) -> None:
        """Queue what has been held long enough, or all of it at the end."""
        now = time.monotonic()
        while self._held and (self._closing or self._held[0][0] <= now):
            self._queue.append(self._held.popleft()[1])

    @property
    def full(self) -> bool:
        """Whether even a small capture would be dropped now."""
        return self._metrics.queued_bytes + SMALL > self.most_bytes

    def close(self) -> None:
        """Let ``run`` return once the queue is written, or at the first failure from now on."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write what is offered until closed."""
        while True:
            self._release()
            self._learn()
            if self._closing or time.monotonic() - self._looked > LOOK_EVERY_S:
                await self._look()
            if not self._queue:
                if self._closing and not self._held:
                    return
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._grace / 4 if self._held else 1.0)
                continue
            if len(self._queue) < MOST_PER_BATCH and not self._closing:
                await asyncio.sleep(GATHER_S)
            batch = self._queue[:MOST_PER_BATCH]
            del self._queue[:MOST_PER_BATCH]
            self._metrics.queued_captures = len(self._queue)
            await self._write_until_taken(batch)
            self._metrics.queued_bytes -= sum(len(item[5]) for item in batch)

    async def _write_until_taken(self, batch: list[_Item]) -> None:
        wait = 0.05
        while True:
            try:
                await self._write(batch)
            except (RedisError, OSError) as error:
                self._metrics.failed_batches += 1
                if not passes(error):
                    log.error("redis_refused", error=code(error), captures=len(batch))  # noqa: TRY400
                    self._drop(batch, "redis_refused")
                    return
                if self.available:
                    log.warning("redis_away", error=code(error), waiting=len(batch) + len(self._queue))
                self.available = False
                if self._closing:
                    self._drop([*batch, *self._queue], "shutdown_without_redis")
                    self._queue.clear()
                    return
                await asyncio.sleep(wait)
                wait = min(wait * 2, 1.0)
                continue
            if not self.available:
                log.info("redis_back")
            self.available = True
            return

    async def _write(self, batch: list[_Item]) -> None:
        keys: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        arguments: list[list[bytes | int]] = [[] for _ in range(PARTITIONS)]
        for _, pair, role, capture_id, attempt, record in batch:
            number = partition_of(pair)
            keys[number].append(self._halves[number] + pair)
            arguments[number] += (role, capture_id, attempt, record)
        used = [number for number in range(PARTITIONS) if keys[number]]
        answers = await self._pairing.call(
            self._redis,
            [(self._fixed[number] + keys[number], [*self._head, *arguments[number]]) for number in used],
        )
        self._metrics.written_batches += 1
        # A partition that this batch did not touch is as full as the others: pairs are spread evenly.
        self._backlog = max(answer[7] for answer in answers)
        for answer in answers:
            for result, count in zip(_RESULTS, answer, strict=False):
                if count:
                    self._metrics.kept[result] += count
        refused = sum(answer[6] for answer in answers)
        if refused:
            self._metrics.kept["refused"] -= refused
            # Which captures of a full partition were refused does not matter: none of it was kept.
            full = {number for number, answer in zip(used, answers, strict=True) if answer[6]}
            services = Counter(item[0] for item in batch if partition_of(item[1]) in full)
            for service in services:
                self._metrics.dropped[service, "backlog_full"] += min(refused, services[service])
                refused -= min(refused, services[service])

    def _learn(self) -> None:
        queued = self._metrics.queued_bytes / self.most_bytes
        self.admission.learn(max(queued, self._backlog / self._limit), time.monotonic())
        self._metrics.admitted_share = self.admission.share

    def _drop(self, batch: list[_Item], reason: str) -> None:
        for item in batch:
            self._metrics.dropped[item[0], reason] += 1

    async def _look(self) -> None:
        """See whether Redis answers, and bring it the losses counted here, where a verdict sees them."""
        self._looked = time.monotonic()
        fresh = self._metrics.dropped - self._losses_told
        pipeline = self._redis.pipeline(transaction=False)
        for (service, reason), count in fresh.items():
            pipeline.hincrby(key("losses"), f"{service}\n{reason}", count)
        if fresh:
            pipeline.expire(key("losses"), BY_NAME["losses"].ttl or 0)
        try:
            await self._redis.ping()
            await pipeline.execute()
            if self.admission.share < 1:
                self._backlog = max([await self._redis.xlen(ready) for ready, *_ in self._fixed])
        except (RedisError, OSError) as error:
            if not passes(error):
                raise
            self.available = False
            return
        self.available = True
        self._losses_told.update(fresh)
        for (service, reason), count in fresh.items():
            log.warning("captures_dropped", service=service, reason=reason, captures=count)
