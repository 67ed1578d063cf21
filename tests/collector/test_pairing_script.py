"""The pairing and sweeping scripts on a real server: what meets, what is recognised, what expires."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from itertools import permutations
from typing import Any

import pytest

from mirrordiff.redis_keys import partition_key
from tests.servers import ON_EACH_PRODUCT

pytestmark = ON_EACH_PRODUCT

RESULTS = ("waiting", "paired", "duplicate", "superseded", "control", "late", "refused")


@dataclass
class Partition:
    """One partition driven by hand. A capture is named by its role, a number and its attempt: ``p1.2``."""

    redis: Any
    wait_ms: int = 60_000
    limit: int = 1000

    async def take(self, *captures: str, key: str = "pair") -> dict[str, int]:
        """Run the pairing script once; the counts that are not zero."""
        keys = [partition_key(name, 0) for name in ("ready", "due", "control_seen")]
        keys += [partition_key("half", 0, key)] * len(captures)
        arguments: list[str | int] = [self.wait_ms, 60_000, self.limit]
        for name in captures:
            capture, _, attempt = name.partition(".")
            arguments += [capture[0], capture.rjust(12, "-"), attempt or "0", f"<{name}>"]
        script = files("collector").joinpath("pairing.lua").read_text()
        answer = await self.redis.eval(script, len(keys), *keys, *arguments)
        return {name: number for name, number in zip(RESULTS, answer, strict=False) if number}

    async def sweep(self) -> tuple[int, int]:
        script = files("differ.store").joinpath("lua/sweep.lua").read_text()
        looked, alone = await self.redis.eval(
            script, 2, partition_key("due", 0), partition_key("ready", 0), 100, 60_000
        )
        return looked, alone

    async def ready(self) -> list[str]:
        """What was handed on, each entry as kind and records."""
        entries = await self.redis.xrange(partition_key("ready", 0))
        return [" ".join(value.decode() for value in fields.values()) for _, fields in entries]


@pytest.fixture
def partition(redis: Any) -> Partition:
    return Partition(redis)


@pytest.mark.parametrize("order", list(permutations(["p1", "s1"])))
async def test_two_halves_meet_in_either_order(partition: Partition, order: tuple[str, str]) -> None:
    assert await partition.take(order[0]) == {"waiting": 1}
    assert await partition.take(order[1]) == {"paired": 1}
    assert await partition.ready() == ["P <p1> <s1>"]


async def test_halves_in_one_call_meet(partition: Partition) -> None:
    assert await partition.take("s1", "p1") == {"waiting": 1, "paired": 1}
    assert await partition.ready() == ["P <p1> <s1>"]


@pytest.mark.parametrize("history", ["p1", "p1 s1", "p1 p2", "p1 p2 s1", "p1 p2 s1 s2"])
async def test_captures_seen_twice_change_nothing(partition: Partition, history: str) -> None:
    for capture in history.split():
        await partition.take(capture)
    before = await partition.ready()
    for capture in history.split():
        assert await partition.take(capture) == {"duplicate": 1}
    assert await partition.ready() == before


async def test_one_key_used_by_two_requests_is_matched_in_order_and_marked(partition: Partition) -> None:
    await partition.take("p1", "p2", "s1", "s2")
    assert await partition.ready() == ["A <p1> <s1>", "A <p2> <s2>"]


async def test_a_key_used_again_after_its_pair_is_marked(partition: Partition) -> None:
    await partition.take("p1", "s1", "s2", "p2")
    assert await partition.ready() == ["P <p1> <s1>", "A <p2> <s2>"]


async def test_the_last_attempt_of_a_retried_primary_counts(partition: Partition) -> None:
    assert await partition.take("p1.1", "p2.2", "s1") == {"waiting": 1, "superseded": 1, "paired": 1}
    assert await partition.ready() == ["P <p2.2> <s1>"]


@pytest.mark.parametrize("order", list(permutations(["p1.1", "p2.2", "p3.3"])))
async def test_attempts_may_arrive_in_any_order(partition: Partition, order: tuple[str, ...]) -> None:
    await partition.take(*order, "s1")
    assert await partition.ready() == ["P <p3.3> <s1>"]


async def test_an_attempt_that_was_held_back_starts_no_pair(partition: Partition) -> None:
    assert await partition.take("s1", "p2.2", "p1.1") == {"waiting": 1, "paired": 1, "superseded": 1}
    assert await partition.take("p1.1") == {"duplicate": 1}
    assert await partition.ready() == ["P <p2.2> <s1>"]


async def test_an_attempt_of_an_expired_request_starts_no_pair(partition: Partition) -> None:
    partition.wait_ms = 0
    await partition.take("p2.2")
    await partition.sweep()
    assert await partition.take("p1.1") == {"superseded": 1}
    assert await partition.take("s1") == {"late": 1}
    assert await partition.ready() == ["X <p2.2>", "L <s1>"]


async def test_the_same_attempt_twice_is_two_requests(partition: Partition) -> None:
    await partition.take("p1.1", "p2.1", "s1", "s2")
    assert await partition.ready() == ["A <p1.1> <s1>", "A <p2.1> <s2>"]


async def test_an_attempt_after_the_pair_starts_no_pair(partition: Partition) -> None:
    assert await partition.take("p1.1", "s1", "p2.2") == {"waiting": 1, "paired": 1, "superseded": 1}
    assert await partition.ready() == ["P <p1.1> <s1>"]


async def test_a_control_that_is_there_goes_with_the_pair(partition: Partition) -> None:
    await partition.take("c1", "p1", "s1")
    assert await partition.ready() == ["P <p1> <s1> <c1>"]


async def test_a_control_that_is_late_never_holds_the_pair_up(partition: Partition) -> None:
    await partition.take("c0", key="another")
    await partition.take("p1", "s1")
    assert await partition.ready() == ["P <p1> <s1>"]
    assert await partition.take("c1") == {"control": 1}
    assert await partition.ready() == ["P <p1> <s1>", "C <p1> <s1> <c1>"]
    assert await partition.take("c1") == {"duplicate": 1}


async def test_what_waited_in_vain_is_handed_on_alone_once(partition: Partition) -> None:
    partition.wait_ms = 0
    await partition.take("p1", key="one")
    await partition.take("s2", key="two")
    await partition.take("c3", key="three")
    assert await partition.sweep() == (3, 3)
    assert await partition.sweep() == (0, 0)
    assert await partition.ready() == ["X <p1>", "X <s2>", "X <c3>"]


async def test_nothing_is_swept_before_its_time(partition: Partition) -> None:
    await partition.take("p1")
    assert await partition.sweep() == (0, 0)
    await partition.take("s1")
    assert await partition.ready() == ["P <p1> <s1>"]


async def test_a_paired_half_lapses_in_the_sweep(partition: Partition) -> None:
    partition.wait_ms = 0
    await partition.take("p1", "s1")
    assert await partition.sweep() == (1, 0)
    assert await partition.ready() == ["P <p1> <s1>"]


async def test_a_twin_that_comes_too_late_is_counted_as_late(partition: Partition) -> None:
    partition.wait_ms = 0
    await partition.take("p1")
    await partition.sweep()
    assert await partition.take("s1") == {"late": 1}
    assert await partition.take("s1") == {"duplicate": 1}
    assert await partition.ready() == ["X <p1>", "L <s1>"]


async def test_queued_captures_expire_one_by_one(partition: Partition) -> None:
    partition.wait_ms = 0
    await partition.take("p1", "p2", "p3")
    while (await partition.sweep())[0]:
        pass
    assert await partition.ready() == ["X <p1>", "X <p2>", "X <p3>"]


async def test_a_full_stream_takes_nothing_more(partition: Partition) -> None:
    partition.limit = 1
    await partition.take("p1", "s1")
    assert await partition.take("p2", key="two") == {"refused": 1}
    assert await partition.ready() == ["P <p1> <s1>"]


async def test_every_capture_is_handed_on_exactly_once_in_any_order(partition: Partition) -> None:
    """For each order of two requests under one key: as many captures come out as went in."""
    partition.wait_ms = 0
    for number, order in enumerate(permutations(["p1", "s1", "p2", "s2"])):
        await partition.redis.flushall()
        await partition.take(*order, key=f"key{number}")
        while (await partition.sweep())[0]:
            pass
        handed_on = sorted(word for entry in await partition.ready() for word in entry.split()[1:])
        assert handed_on == ["<p1>", "<p2>", "<s1>", "<s2>"], order
