"""Whose evidence a verdict rests on: of one candidate, under one set of rules, beside one noise profile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from mirrordiff.process.redis import connect
from tests.api.processes import command
from tests.captures import Half, pair, write
from tests.e2e.evidence import Body, Stack, noisy, stack
from tests.waiting import eventually

GATES = {
    "default": "min_duration: 1ms\n",
    "forgetful": "min_duration: 1ms\nmax_profile_age: 1ms\n",
    "late": "deadline: 1ms\nmin_pairs: 1000\non_inconclusive: fail\n",
    "patient": "deadline: 1ms\nmin_pairs: 1000\non_inconclusive: hold\n",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with stack(GATES) as started:
        yield started


@pytest.fixture
async def redis(running: Stack) -> AsyncIterator[Any]:
    client = connect(running.redis_url, name="tests")
    yield client
    await client.aclose()


def answers(service: str, numbers: range, primary: Body, shadow: Body, candidate: str = "v2") -> list[Half]:
    """Captures of both, as a proxy would have made them."""
    halves: list[Half] = []
    for number in numbers:
        path = f"/orders/{number}"
        halves.append(Half(number, "primary", primary(path, {}), path=path, service=service))
        halves.append(Half(number, "shadow", shadow(path, {}), path=path, service=service, version=candidate))
    return halves


async def test_a_new_candidate_starts_from_nothing_and_the_old_one_stays_readable(
    running: Stack, redis: Any
) -> None:
    await write(redis, [half for n in range(100) for half in pair(n, 1, 2, service="build")])
    old = await running.verdict_of(100, "build")
    assert (old["verdict"], old["candidate"]) == ("FAIL", "v2")
    await write(redis, answers("build", range(100, 160), noisy("v1"), noisy("v1"), candidate="v3"))
    new = await running.verdict_of(60, "build", candidate="v3")
    assert (new["verdict"], new["candidate"], new["pairs"]) == ("INCONCLUSIVE", "v3", "60")
    assert new["totals"]["different"] == "0"
    assert (await running.verdict("build"))["candidate"] == "v3"

    async def superseded() -> bool:
        old.update(await running.verdict("build", candidate="v2"))
        return "CANDIDATE_CHANGED" in {check["code"] for check in old["checks"]}

    await eventually(superseded, "the old candidate's verdict says that there is a newer one")
    assert (old["verdict"], old["final"], old["pairs"]) == ("FAIL", True, "100")


async def test_changed_rules_begin_anew_and_the_verdict_says_so(running: Stack, redis: Any) -> None:
    await write(redis, [half for n in range(100) for half in pair(n, {"a": 1}, {"a": 2}, service="ruled")])
    before = await running.verdict_of(100, "ruled")
    assert (before["verdict"], before["final"], before["epoch"]) == ("FAIL", True, 1)
    running.rules.write_text(
        "rules:\n  - ignore: {field: $.a}\n    where: {service: ruled}\n    note: agreed\n"
    )

    async def taken() -> bool:
        return running.log().count("rules_taken") == 2

    await eventually(taken, "both workers have the rules")
    halves = [half for n in range(100, 140) for half in pair(n, {"a": 1}, {"a": 2}, service="ruled")]
    await write(redis, halves)

    async def anew() -> bool:
        document = await running.verdict("ruled")
        return (document["epoch"], document["pairs"]) == (2, "40")

    await eventually(anew, "forty pairs count, and no other")
    after = await running.verdict("ruled")
    assert (after["verdict"], after["final"]) == ("INCONCLUSIVE", False)
    assert after["totals"]["different"] == "0"
    assert "RULES_CHANGED" in {check["code"] for check in after["checks"]}


async def test_noise_measured_beforehand_excuses_as_much_of_v2(running: Stack, redis: Any) -> None:
    uncalibrated = await command("calibrate", "shelf", "--api", running.api)
    assert (uncalibrated.code, "there is no services/shelf" in uncalibrated.err) == (3, True)

    v1 = answers("shelf", range(2000), noisy("v1"), noisy("v1 again"), candidate="calibration")
    await write(redis, v1)
    await running.verdict_of(2000, "shelf")
    kept = await command("calibrate", "shelf", "--api", running.api)
    assert (kept.code, "from 2,000 pairs" in kept.out) == (0, True), kept.err

    await write(redis, answers("shelf", range(2000, 5000), noisy("v1"), noisy("v2")))
    document = await running.verdict_of(3000, "shelf")
    (endpoint,) = document["endpoints"]
    assert endpoint["noiseSource"] == "profile"
    assert [field["field"] for field in endpoint["noisyFields"]] == ["$.shelf"]
    assert document["verdict"] != "FAIL"
    assert endpoint["excess"]["upper"] <= endpoint["excess"]["tolerance"]
    stale = await running.verdict("shelf", "forgetful")
    assert (stale["verdict"], "PROFILE_STALE" in {each["code"] for each in stale["reasons"]}) == (
        "INCONCLUSIVE",
        True,
    )

    candidates = await command("calibrate", "shelf", "--session", "v2", "--api", running.api)
    assert candidates.code == 3
    assert "not the build that v1 is" in candidates.err
    assert (await command("calibrate", "shelf", "--forget", "--api", running.api)).code == 0
    assert (await command("calibrate", "shelf", "--forget", "--api", running.api)).code == 3


@pytest.mark.parametrize(("gate", "word"), [("late", "FAIL"), ("patient", "INCONCLUSIVE")])
async def test_at_the_deadline_the_policy_decides_and_never_from_nothing(
    running: Stack, redis: Any, gate: str, word: str
) -> None:
    service = f"deadline-{gate}"
    nothing = await running.verdict(service, gate)
    assert nothing["verdict"] == "INCONCLUSIVE"
    await write(redis, answers(service, range(50), noisy("v1"), noisy("v1")))
    document = await running.verdict_of(50, service, gate)
    assert document["verdict"] == word
    assert "DEADLINE" in {reason["code"] for reason in document["reasons"]}
