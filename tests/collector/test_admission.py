"""Letting in less while the store fills: both sides alike, and back again by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.admission import HIGH, LEAST, LOW, Admission
from collector.pairing import pair_key
from tests.collector.test_server import batch, collector, ready, told
from tests.waiting import eventually

KEYS = [pair_key(b"s", b"%d" % number, b"", b"", b"") or b"" for number in range(4096)]


def after(*fills: float) -> Admission:
    admission = Admission()
    for second, fill in enumerate(fills):
        admission.learn(fill, float(2 * second))
    return admission


@given(st.lists(st.floats(0, 2)))
def test_the_share_is_a_power_of_a_half_and_never_nothing(fills: list[float]) -> None:
    assert after(*fills).share in {1 / 2**halvings for halvings in range(LEAST + 1)}


def test_it_falls_while_full_stays_in_between_and_recovers() -> None:
    assert after(HIGH + 0.1, HIGH + 0.1).share == 0.25
    assert after(HIGH + 0.1, (HIGH + LOW) / 2).share == 0.5
    assert after(HIGH + 0.1, LOW / 2).share == 1
    admission = after(1.0)
    admission.learn(1.0, 0.5)
    assert admission.share == 0.5, "one change at a time"


def test_about_the_share_gets_in_and_a_smaller_one_is_part_of_a_larger() -> None:
    admitted = [{key for key in KEYS if after(*[1.0] * halvings).admits(key)} for halvings in range(4)]
    for halvings, keys in enumerate(admitted):
        assert 0.8 < len(keys) * 2**halvings / len(KEYS) < 1.2
    assert all(less < more for more, less in pairwise(admitted))


async def test_both_sides_are_left_out_alike_and_counted(redis: Any, redis_url: str) -> None:
    async with collector(redis_url, stream_limit=20) as running:

        async def accounted() -> bool:
            ended = sum(running.metrics.kept.values()) + sum(running.dropped().values())
            return ended == running.received()

        for first in range(0, 400, 100):
            await running.send(batch("primary/orders/v1", range(first, first + 100)))
            await running.send(batch("shadow/orders/v2", range(first, first + 100)))
            await eventually(accounted, "everything is accounted for")
        assert running.sink.admission.share < 1
        left_out = running.dropped()["sampled_out"]
        assert left_out > 0
        await redis.flushall()
        await eventually(lambda: told(running.sink.admission.share == 1), "everything is let in again")
        await running.send(batch("primary/orders/v1", range(1000, 1050)))
        await running.send(batch("shadow/orders/v2", range(1000, 1050)))
        assert running.dropped()["sampled_out"] == left_out

        async def all_of_them() -> bool:
            return len(await ready(redis)) == 50

        await eventually(all_of_them, "every pair is handed on")
