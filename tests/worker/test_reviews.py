"""Rules of reviews: taken over while a worker runs, in force from its first pair, gone when undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from differ.core.rules import reviewed_rule
from differ.store.reviews import Review, Reviews
from tests.captures import pair, write
from tests.processes import Process, worker
from tests.waiting import eventually
from tests.worker.test_sessions import sessions, taken, tally_of
from tests.worker.test_worker import all_judged, totals

TEXT = "- ignore: {field: $.total}\n  note: rounding, agreed"


def review() -> Review:
    rule = reviewed_rule(TEXT)
    assert rule is not None
    return Review(rule.id, "ignore", "s", "", "$.total", TEXT, rule.note, "Ada", 1)


async def different(client: Any, process: Process, numbers: range) -> None:
    """Write pairs that differ in one field, and wait until they are judged."""
    await write(client, [half for n in numbers for half in pair(n, {"total": 1}, {"total": 2})])
    await all_judged(client, process)


async def test_it_is_taken_over_without_a_restart_and_given_up_when_undone(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    reviews = Reviews(redis)

    async def epochs(count: int) -> bool:
        session = (await sessions(redis)).get("v2")
        return session is not None and len(session.epochs) == count

    with worker(redis_url, tmp_path) as process:
        await different(redis, process, range(20))
        await eventually(lambda: epochs(1), "there is one epoch")
        assert await reviews.add("orders", review())
        await eventually(lambda: taken(process, 1), lambda: f"the review is taken:\n{process.said()}")
        await different(redis, process, range(20, 30))
        await eventually(lambda: epochs(2), "there are two epochs")
        session = (await sessions(redis))["v2"]
        tally = await tally_of(redis, session)
        assert totals(tally) == {"compared": 10, "different": 0}
        (seen,) = tally.endpoints.values()
        assert list(seen.fields["$.total"].ignored) == [review().id]
        assert await reviews.remove("orders", review().id)
        await eventually(lambda: taken(process, 2), lambda: f"it is given up:\n{process.said()}")
        assert await process.stop() == 0, process.said()


async def test_it_is_in_force_from_the_first_pair_of_a_worker(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    with worker(redis_url, tmp_path) as process:
        await different(redis, process, range(5))
        assert await process.stop() == 0, process.said()
    assert await Reviews(redis).add("orders", review())
    await write(redis, [half for n in range(5, 25) for half in pair(n, {"total": 1}, {"total": 2})])
    with worker(redis_url, tmp_path) as process:
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    session = (await sessions(redis))["v2"]
    assert len(session.epochs) == 2
    assert totals(await tally_of(redis, session)) == {"compared": 20, "different": 0}


async def test_one_that_conflicts_with_the_file_is_left_out_and_the_file_stands(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(f"rules:\n{TEXT}\n")
    with worker(redis_url, tmp_path, rules=file) as process:
        await different(redis, process, range(5))
        assert await Reviews(redis).add("orders", review())
        await eventually(lambda: said(process, "reviews_left_out"), lambda: f"it is said:\n{process.said()}")
        await different(redis, process, range(5, 15))
        assert await process.stop() == 0, process.said()
    session = (await sessions(redis))["v2"]
    assert len(session.epochs) == 1
    assert totals(await tally_of(redis, session)) == {"compared": 15, "different": 0}


async def said(process: Process, event: str) -> bool:
    return event in process.said()
