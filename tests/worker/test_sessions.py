"""What a session is: whose evidence, since when, under which rules, and what was lost meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from collector.metrics import Metrics
from collector.pairing import pair_key
from collector.settings import CollectorSettings
from collector.sink import Sink
from differ.core.document import verdict_document
from differ.core.endpoints import LIMIT, OTHER
from differ.core.excess import Word
from differ.core.facts import SessionFacts
from differ.core.policy import Policy
from differ.core.report import summarise
from differ.core.tally import Tally
from differ.core.verdict import judge
from differ.store.evidence import Evidence, Session
from differ.store.settlement import SessionId, Settlement
from differ.worker.builds import Builds
from mirrordiff.process.redis import UNAVAILABLE, connect
from mirrordiff.redis_keys import key
from mirrordiff.v1.capture_pb2 import END_NO_RESPONSE
from tests.captures import JSON_HEADERS, Half, drained, pair, write
from tests.processes import Process, worker
from tests.servers import RedisServer
from tests.waiting import eventually
from tests.worker.test_worker import all_judged, only_session, totals


def words(number: int) -> str:
    """A path of letters alone, another for each number: nothing that looks like an id."""
    return "/" + "".join(chr(ord("a") + int(digit)) for digit in str(number))


async def test_workers_together_keep_to_one_bound_of_endpoints(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    total = 2 * LIMIT
    with worker(redis_url, tmp_path, batch=5) as one, worker(redis_url, tmp_path, batch=5) as other:
        await write(redis, [half for n in range(total) for half in pair(n, {}, {}, path=words(n))])
        await all_judged(redis, one)
        await write(redis, [half for n in range(total, total + 50) for half in pair(n, {}, {}, path="/zz")])
        await all_judged(redis, one)
        assert await one.stop() == 0, one.said()
        assert await other.stop() == 0, other.said()
    _, tally = await only_session(redis)
    assert totals(tally)["compared"] == total + 50
    assert len(tally.endpoints) == LIMIT + 1
    assert tally.endpoints[OTHER].compared == total - LIMIT + 50
    assert {seen.compared for name, seen in tally.endpoints.items() if name != OTHER} == {1}


async def sessions(client: Any) -> dict[str, Session]:
    return {session.candidate: session for session in await Evidence(client).sessions("orders")}


async def tally_of(client: Any, session: Session) -> Tally:
    return await Evidence(client).tally(session, session.epochs[-1].id)


async def test_a_header_tells_the_build_where_the_capture_does_not(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    def answer(number: int, role: str, build: str) -> Half:
        headers = JSON_HEADERS + b"\r\nX-Build: " + build.encode()
        return Half(number, role, {}, headers=headers)

    with worker(redis_url, tmp_path, version_header="x-build") as process:
        first = [
            half for n in range(10) for half in (answer(n, "primary", "1.0"), answer(n, "shadow", "2.0"))
        ]
        await write(redis, first)
        await all_judged(redis, process)
        later = [
            half for n in range(10, 30) for half in (answer(n, "primary", "1.1"), answer(n, "shadow", "2.1"))
        ]
        await write(redis, later)
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    found = await sessions(redis)
    assert {name: each.primary_versions for name, each in found.items()} == {"2.0": ("1.0",), "2.1": ("1.1",)}
    assert totals(await tally_of(redis, found["2.0"]))["compared"] == 10
    assert totals(await tally_of(redis, found["2.1"]))["compared"] == 20


async def test_a_header_that_is_another_each_time_opens_no_session_each_time(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    halves = [
        half
        for n in range(300)
        for half in (
            Half(n, "primary", {}),
            Half(n, "shadow", {}, headers=b"x-build: %d" % n),
        )
    ]
    with worker(redis_url, tmp_path, version_header="x-build") as process:
        await write(redis, halves)
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    assert len(await sessions(redis)) == 51
    assert totals(await tally_of(redis, (await sessions(redis))["v2"]))["compared"] == 250


async def judged(client: Any, process: Process, numbers: range) -> None:
    """Write pairs, and wait until they are counted and the session is noted."""
    await write(client, [half for n in numbers for half in pair(n, {}, {})])
    await all_judged(client, process)


async def test_changed_rules_begin_an_epoch_and_rules_taken_back_return_to_theirs(
    redis: Any, redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules: []\n")

    async def epochs(count: int) -> list[str]:
        """The ids of the epochs, once there are so many."""
        session = (await sessions(redis)).get("v2")
        ids = [] if session is None else [epoch.id for epoch in session.epochs]
        return ids if len(ids) == count else []

    with worker(redis_url, tmp_path, rules=file) as process:
        await judged(redis, process, range(30))
        (first,) = await eventually(lambda: epochs(1), "there is one epoch")
        file.write_text("rules:\n  - ignore: {field: $.at}\n    note: wall clock\n")
        await eventually(lambda: taken(process, 1), lambda: f"the rules are taken:\n{process.said()}")
        await judged(redis, process, range(30, 50))
        _, second = await eventually(lambda: epochs(2), "there are two epochs")
        assert await process.stop() == 0, process.said()
    session = (await sessions(redis))["v2"]
    assert totals(await tally_of(redis, session)) == {"compared": 20, "different": 0}

    # As if the others had been unseen for longer than workers take to agree.
    earlier = session.last_seen_us - 60_000_000
    await redis.hset(key("session", session.key), f"seen.{second}", str(earlier))
    again = (await sessions(redis))["v2"]
    assert [epoch.id for epoch in again.epochs] == [second, first]
    assert totals(await tally_of(redis, again)) == {"compared": 30, "different": 0}


async def taken(process: Process, times: int) -> bool:
    return process.said().count("rules_taken") == times


async def test_losses_from_before_an_epoch_are_not_its_own(redis: Any) -> None:
    await redis.hset(key("losses"), mapping={"orders\nqueue_full": 7, "\nbacklog_full": 2, "other\nx": 90})
    await redis.expire(key("losses"), 600)
    settlement = Settlement(redis)
    session = SessionId("orders", "v2")
    for moment in (1_000_000, 2_000_000):
        await settlement.register(
            session,
            now_us=moment,
            primary_versions=[],
            epoch="e1",
            rules=0,
            state=await settlement.store_state(),
            lost=await settlement.lost("orders"),
        )
        await redis.hincrby(key("losses"), "orders\nqueue_full", 5)
    (epoch,) = (await sessions(redis))["v2"].epochs
    assert (epoch.lost, epoch.first_us, epoch.last_us) == (9, 1_000_000, 2_000_000)


async def test_what_stays_alone_takes_no_time_of_pairs(redis: Any) -> None:
    settlement = Settlement(redis)
    session = SessionId("orders", "v2")
    for moment, paired in ((1, False), (2, True), (3, True), (4, False)):
        await settlement.register(
            session, now_us=moment, primary_versions=[], epoch="e1", rules=0, paired=paired
        )
    (epoch,) = (await sessions(redis))["v2"].epochs
    assert (epoch.started_us, epoch.first_us, epoch.last_us) == (1, 2, 3)


async def test_a_redis_started_anew_with_the_evidence_it_had_is_noticed(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as server:
        client: Any = connect(server.url, name="tests")
        with worker(server.url, tmp_path) as process:
            await judged(client, process, range(40))
            (before,) = (await sessions(client)).values()
            assert list(before.stores.values()) == [before.epochs[-1].started_us]
            server.kill()
            server.start()
            await eventually(lambda: answers(client), "Redis has its evidence again")
            await judged(client, process, range(100, 140))
            assert await process.stop() == 0, process.said()
        (after,) = (await sessions(client)).values()
        first, second = sorted(after.stores.values())
        assert first == after.epochs[-1].started_us < second
        assert totals(await tally_of(client, after)) == {"compared": 80, "different": 0}
        await client.aclose()


async def answers(client: Any) -> bool:
    try:
        return await drained(client)
    except UNAVAILABLE:
        return False


def test_a_shadow_without_an_answer_is_of_the_build_that_was_seen_last() -> None:
    builds = Builds("x-build", {"orders": "2.0"})
    silent = Half(1, "shadow", {}, version="pod").capture()
    silent.end, silent.headers = END_NO_RESPONSE, b""
    assert builds.candidate(silent) == "2.0"
    assert Builds("", {"orders": "2.0"}).candidate(silent) == "pod"


async def test_times_that_make_no_sense_harm_nothing(redis: Any, redis_url: str, tmp_path: Path) -> None:
    """Clocks of proxies jump, and anybody may post a capture."""
    times = [(0, 0), (-1, -1), (-(2**62), 2**62), (2**62, -(2**62)), (2**62, 2**62)]
    sink = Sink(redis, CollectorSettings(), Metrics())
    writer = asyncio.create_task(sink.run())
    for number in range(100):
        for place, half in enumerate(pair(number, {"at": 1}, {"at": 2})):
            capture = half.capture()
            capture.started_us, capture.duration_us = times[(number + place * (number % 3)) % len(times)]
            key_of_pair = pair_key(b"orders", b"%d" % number, b"", b"", b"")
            assert key_of_pair is not None
            assert sink.offer(key_of_pair, capture)
    sink.close()
    await writer
    with worker(redis_url, tmp_path) as process:
        await all_judged(redis, process)
        assert await process.stop() == 0, process.said()
    session, tally = await only_session(redis)
    assert totals(tally) == {"compared": 100, "different": 100}
    epoch = session.epochs[-1]
    assert epoch.first_us is not None
    assert epoch.last_us is not None
    assert 0 <= epoch.last_us - epoch.first_us < 60_000_000
    facts = SessionFacts("orders", "v2", first_us=epoch.first_us, last_us=epoch.last_us)
    judged_now = judge(summarise(tally, facts), Policy(), facts, epoch.last_us)
    assert judged_now.word is Word.FAIL
    assert verdict_document(judged_now)["time"] is not None


async def test_rules_about_another_service_begin_no_epoch(redis: Any, redis_url: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules: []\n")
    with worker(redis_url, tmp_path, rules=file) as process:
        await judged(redis, process, range(30))
        file.write_text(
            "rules:\n  - ignore: {field: $.at}\n    where: {service: cart*}\n    note: another team's\n"
        )
        await eventually(lambda: taken(process, 1), lambda: f"the rules are taken:\n{process.said()}")
        await judged(redis, process, range(30, 50))
        assert await process.stop() == 0, process.said()
    session = (await sessions(redis))["v2"]
    assert len(session.epochs) == 1
    assert totals(await tally_of(redis, session)) == {"compared": 50, "different": 0}
