"""The worker's roles, run side by side: read, reclaim, judge and settle, sweep, register, follow rules.

Each role rides out a Redis that is away by itself. What was read stays owed until it is settled, so
that nothing here needs to be careful about being killed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from differ.store.deliveries import Deliveries, Delivery
from differ.store.settlement import Judged, Settlement
from differ.worker.endpoints import Endpoints
from differ.worker.judge import UNPAIRED, Finding, Judge
from differ.worker.metrics import Metrics
from differ.worker.register import Register
from differ.worker.ruleset import Rules
from differ.worker.tracing import Tracing
from mirrordiff.process.logs import logger
from mirrordiff.process.redis import RedisError, code, passes
from mirrordiff.redis_keys import PARTITIONS

SWEEP_EVERY_S: Final = 0.5
REGISTER_EVERY_S: Final = 1.0
"""Session times are shown at this grain, and computed with at none."""
RULES_EVERY_S: Final = 1.0
"""A mounted ConfigMap takes a minute to change anyway."""
PAUSE_AFTER: Final = 64
"""Pairs judged before the loop lets others in, so that health is answered while there is work."""

log = logger("differ.worker")

Value = TypeVar("Value")


class _GaveUp(Exception):
    """Redis is away, and nobody wants to wait for it any more."""


class Worker:
    """Runs until ``stop`` is set, then settles what it holds."""

    def __init__(
        self,
        deliveries: Deliveries,
        settlement: Settlement,
        judge: Judge,
        register: Register,
        endpoints: Endpoints,
        rules: Rules,
        metrics: Metrics,
        tracing: Tracing,
        *,
        batch: int,
        reclaim_after: float,
    ) -> None:
        self._deliveries = deliveries
        self._settlement = settlement
        self._judge = judge
        self._register = register
        self._endpoints = endpoints
        self._rules = rules
        self._metrics = metrics
        self._tracing = tracing
        self._batch = batch
        self._reclaim_after = reclaim_after
        # One batch waits while another is judged, so that Redis and this process work side by side.
        self._work: asyncio.Queue[list[Delivery] | None] = asyncio.Queue(maxsize=1)
        self._stop = asyncio.Event()
        self.available = False

    def stop(self) -> None:
        """Read nothing more; ``run`` returns once what was read is settled, or Redis is away."""
        self._stop.set()

    async def run(self) -> None:
        """Judge until stopped. A fault that waiting cannot mend ends it."""
        try:
            await self._patiently(self._deliveries.open)
            # Before the first pair: judged without the rules of reviews, it would begin an epoch of its own.
            await self._patiently(self._rules.refresh)
            async with asyncio.TaskGroup() as roles:
                roles.create_task(self._read(), name="read")
                roles.create_task(self._judge_all(), name="judge")
                for role, every in (
                    (self._reclaim, max(0.1, self._reclaim_after / 4)),
                    (self._sweep, SWEEP_EVERY_S),
                    (self._register.refresh, REGISTER_EVERY_S),
                    (self._rules.refresh, RULES_EVERY_S),
                ):
                    roles.create_task(self._repeat(role, every), name=role.__qualname__)
            await self._patiently(self._register.refresh)
            await self._patiently(self._deliveries.close)
        except* _GaveUp:
            log.warning("stopped_without_redis", hint="what was held is given to another worker")

    async def _repeat(self, role: Callable[[], Awaitable[None]], every: float) -> None:
        while not self._stop.is_set():
            await self._patiently(role)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), every)

    async def _read(self) -> None:
        while not self._stop.is_set():
            found = await self._patiently(lambda: self._deliveries.read(self._batch))
            if found:
                await self._work.put(found)
        await self._work.put(None)

    async def _reclaim(self) -> None:
        found = await self._deliveries.reclaim(self._reclaim_after, self._batch)
        if found:
            self._metrics.reclaimed += len(found)
            log.info("reclaimed", entries=len(found))
            await self._work.put(found)

    async def _sweep(self) -> None:
        for partition in range(PARTITIONS):
            self._metrics.expired += await self._settlement.sweep(partition)

    async def _judge_all(self) -> None:
        while (deliveries := await self._work.get()) is not None:
            with self._tracing.batch(len(deliveries)) as came_to:
                came_to(await self._judge_batch(deliveries))

    async def _judge_batch(self, deliveries: list[Delivery]) -> list[Finding]:
        """Judge and settle; returns what the entries came to, without those that could not be read."""
        findings: list[tuple[Delivery, Finding | None]] = []
        # Pairs first: they tell which candidate the responses that stayed alone belong to.
        for number, delivery in enumerate(sorted(deliveries, key=_alone), 1):
            if number % PAUSE_AFTER == 0:
                await asyncio.sleep(0)
            finding = None if delivery.given_up else self._judge.judge(delivery)
            if finding is not None and finding.result != UNPAIRED:
                self._register.on(finding.session)
            findings.append((delivery, finding))
        if self._endpoints.fresh:
            left_out = await self._patiently(self._endpoints.agree)
            for at, (delivery, finding) in enumerate(findings):
                if finding is not None and (finding.session, finding.endpoint) in left_out:
                    findings[at] = delivery, self._judge.judge(delivery)
        judged: list[Judged] = []
        kept: list[tuple[int, str, Finding]] = []
        for delivery, finding in findings:
            if finding is None:
                self._metrics.unreadable["given_up" if delivery.given_up else "unreadable"] += 1
                judged.append(Judged(delivery.partition, delivery.entry_id, "", "", {}))
                continue
            self._metrics.judged[finding.result] += 1
            session, epoch = finding.session.key, finding.rules.digest
            judged.append(Judged(delivery.partition, delivery.entry_id, session, epoch, finding.counts))
            if finding.diff is not None:
                kept.append((delivery.partition, session, finding))
            self._register.saw(
                finding.session, finding.primary_version, finding.rules, paired=finding.result != UNPAIRED
            )
        await self._patiently(self._register.write_new)
        for partition, session, finding in kept:
            await self._keep(partition, session, finding)
        self._metrics.settled += await self._patiently(lambda: self._settlement.settle(judged))
        return [finding for _, finding in findings if finding is not None]

    async def _keep(self, partition: int, session: str, finding: Finding) -> None:
        make = finding.diff
        if make is not None and self._settlement.example_wanted(partition, session, finding.signatures):
            diff = make()
            await self._patiently(lambda: self._settlement.keep(partition, session, diff, finding.signatures))

    async def _patiently(self, call: Callable[[], Awaitable[Value]]) -> Value:
        """The call's answer, however long Redis is away. All calls made here may be repeated."""
        wait = 0.05
        while True:
            try:
                answer = await call()
            except (RedisError, OSError) as error:
                if not passes(error):
                    raise
                if self.available:
                    log.warning("redis_away", error=code(error))
                self.available = False
                self._metrics.redis_failures += 1
                if self._stop.is_set():
                    raise _GaveUp from None
                await asyncio.sleep(wait)
                wait = min(wait * 2, 1.0)
            else:
                if not self.available:
                    log.info("redis_answers")
                self.available = True
                return answer


def _alone(delivery: Delivery) -> bool:
    return not (delivery.primary and delivery.shadow)
