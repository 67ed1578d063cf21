"""What a verdict rests on beside the pairs: decisions that stand, losses, failovers, profiles, gates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from differ.api.gates import read_gates
from differ.api.notes import RuleNotes
from differ.core.excess import Word
from differ.core.policy import Policy, PolicyError
from differ.core.verdict import Latched
from differ.store.decisions import Decisions
from differ.store.evidence import Evidence, Session
from differ.store.settlement import SessionId, Settlement
from differ.store.state import StoreState, store_state
from mirrordiff.process.redis import Client
from mirrordiff.redis_keys import key
from tests.api.conftest import Api, running
from tests.api.processes import command
from tests.api.seeding import START_US, Seed

GATE = "/v1/services/orders/gates/default/verdict"
PROFILE = "/v1/services/orders/profile"
MINUTE = 60_000_000


async def verdict(api: Api) -> dict[str, Any]:
    answer = await api.http.get(GATE)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def codes(document: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in document["reasons"]]


async def session_of(redis: Client) -> Session:
    found = await Evidence(redis).session("orders", "v2")
    assert found is not None
    return found


def broken(seed: Seed, count: int) -> Seed:
    for number in range(count):
        seed.pair({"total": number}, {"total": -1})
    return seed


async def test_a_pass_stands_until_a_fail_and_a_fail_stands(redis: Client) -> None:
    policy = Policy(tolerance=0.05)
    seed = Seed()
    seed.same(1000)
    await seed.write(redis)
    async with running(redis, policy) as api:
        passed = await verdict(api)
        assert (passed["verdict"], passed["final"]) == ("PASS", True)
        await redis.hset(key("losses"), "orders\nqueue_full", "500")
        await redis.expire(key("losses"), 60)
        assert (await verdict(api))["decidedTime"] == passed["decidedTime"]
        await broken(Seed(), 400).write(redis)
        failed = await verdict(api)
        assert (failed["verdict"], failed["final"], codes(failed)) == ("FAIL", True, ["EXCESS_MISMATCH"])
        healthy = Seed()
        healthy.same(20_000)
        await healthy.write(redis)
    async with running(redis, policy) as another:
        still = await verdict(another)
        assert (still["verdict"], still["pairs"], codes(still)) == ("FAIL", "21400", ["EXCESS_MISMATCH"])
        assert still["reasons"] == failed["reasons"]
    async with running(redis, replace(policy, tolerance=0.2)) as tolerant:
        assert (await verdict(tolerant))["verdict"] != "FAIL"


async def decision(redis: Client, verdict: Word, *, policy: str = "p", profile: int | None = None) -> Latched:
    """What stands after a process has made this decision."""
    made = Latched(verdict, START_US, 1, (), "v2", "v2", "e1", policy, profile)
    return await Decisions(redis).keep(await session_of(redis), "default", made)


async def test_processes_that_decide_at_once_agree(redis: Client) -> None:
    seed = Seed()
    seed.same(1)
    await seed.write(redis)
    assert (await decision(redis, Word.PASS)).verdict is Word.PASS
    assert (await decision(redis, Word.FAIL)).verdict is Word.FAIL
    assert (await decision(redis, Word.PASS)).verdict is Word.FAIL
    assert (await decision(redis, Word.PASS, policy="other")).verdict is Word.PASS
    assert (await decision(redis, Word.FAIL, policy="other")).verdict is Word.FAIL
    assert (await decision(redis, Word.PASS, policy="other", profile=7)).verdict is Word.PASS
    session = await session_of(redis)
    kept = await Decisions(redis).latched(session, "default", "e1")
    assert kept is not None
    assert (kept.verdict, kept.policy_id, kept.profile_us) == (Word.PASS, "other", 7)
    assert await Decisions(redis).latched(session, "default", "e2") is None
    assert await Decisions(redis).latched(session, "strict", "e1") is None


async def test_a_decision_that_another_version_wrote_is_made_anew(api: Api, redis: Client) -> None:
    seed = Seed()
    seed.same(1000)
    await seed.write(redis)
    name = key("verdict", (await session_of(redis)).key)
    for content in (b"\xff", b"[]", b'{"verdict": "MAYBE"}'):
        await redis.hset(name, "default\ne1", content)
        await redis.expire(name, 60)
        assert (await verdict(api))["verdict"] == "PASS"


async def register(redis: Client, after_us: int, state: StoreState, lost: int = 0) -> None:
    """Note the session as a worker does."""
    await Settlement(redis).register(
        SessionId("orders", "v2"),
        now_us=START_US + after_us,
        primary_versions=["v1"],
        epoch="e1",
        rules=0,
        state=state,
        lost=lost,
    )


async def test_only_what_was_lost_since_the_session_began_counts(api: Api, redis: Client) -> None:
    await redis.hset(key("losses"), mapping={"orders\nqueue_full": 400, "cart\nqueue_full": 9000})
    await redis.expire(key("losses"), 60)
    await register(redis, 0, StoreState(), lost=400)
    seed = Seed()
    seed.same(1000)
    await seed.write(redis)
    few = {check["name"]: check for check in (await verdict(api))["checks"]}["few captures lost"]
    assert few["result"] == "PASS"
    assert few["measure"].startswith("0 %")
    await redis.hincrby(key("losses"), "orders\nqueue_full", 50)
    few = {check["name"]: check for check in (await verdict(api))["checks"]}["few captures lost"]
    assert few["result"] == "INCONCLUSIVE"


@pytest.mark.parametrize(("noted_after", "holds"), [(0, False), (4, False), (8, True), (None, True)])
async def test_a_failover_holds_until_enough_was_watched_without_a_break(
    api: Api, redis: Client, noted_after: int | None, holds: bool
) -> None:
    """Also in the moment before a worker has noted it: what was lost may be what would have failed."""
    now = await store_state(redis)
    await register(redis, 0, now if noted_after == 0 else StoreState(("before",)))
    if noted_after:
        await register(redis, noted_after * MINUTE, now)
    seed = Seed()
    seed.same(1000)
    await seed.write(redis)
    document = await verdict(api)
    assert document["verdict"] == ("INCONCLUSIVE" if holds else "PASS")
    assert ("DISCONTINUITY" in codes(document)) is holds


async def test_a_second_build_of_v1_is_told(api: Api, redis: Client) -> None:
    seed = Seed()
    for number in range(1000):
        seed.pair({"id": 1}, {"id": 1}, versions=("v1" if number % 2 else "v1.1", "v2"))
    await seed.write(redis)
    document = await verdict(api)
    (changed,) = [check for check in document["checks"] if check["code"] == "PRIMARY_CHANGED"]
    assert (changed["mode"], changed["measure"]) == ("advisory", "2 builds: v1, v1.1")
    assert (document["verdict"], document["primaryVersion"]) == ("PASS", "v1, v1.1")


async def test_a_profile_comes_and_goes(api: Api, redis: Client) -> None:
    assert (await api.http.get(PROFILE)).status_code == 404
    seed = Seed(candidate="calibration")
    seed.same(30)
    await seed.write(redis)
    taken = await api.http.post(PROFILE)
    assert (taken.status_code, taken.json()["pairs"]) == (200, "30")
    assert (await api.http.get(PROFILE)).json() == taken.json()
    assert taken.json()["session"] == "services/orders/sessions/calibration"
    assert (await api.http.delete(PROFILE)).status_code == 204
    gone = await api.http.delete(PROFILE)
    assert (gone.status_code, gone.json()["reason"]) == (404, "PROFILE_NOT_FOUND")


async def test_no_profile_is_taken_of_a_candidate_or_of_nothing(api: Api, redis: Client) -> None:
    seed = Seed()
    seed.same(30)
    await seed.write(redis)
    refused = await api.http.post(PROFILE, params={"session": "v2"})
    assert (refused.status_code, refused.json()["reason"]) == (400, "INVALID_ARGUMENT")
    missing = await api.http.post(PROFILE)
    assert (missing.status_code, missing.json()["reason"]) == (404, "SESSION_NOT_FOUND")


def test_gates_are_a_file_or_a_folder_of_files(tmp_path: Path) -> None:
    assert read_gates(None) == {"default": Policy()}
    (tmp_path / "strict.yaml").write_text("tolerance: 0.1%\n")
    (tmp_path / "README.md").write_text("tolerance: none\n")
    assert read_gates(tmp_path) == {"default": Policy(), "strict": Policy(tolerance=0.001)}
    assert read_gates(tmp_path / "strict.yaml") == {"default": Policy(tolerance=0.001)}


def test_all_problems_of_all_gates_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("tolerance: 2\nalhpa: 0.05\n")
    (tmp_path / "b.yml").write_bytes(b"\xff")
    (tmp_path / "c d.yaml").write_text("")
    with pytest.raises(PolicyError) as caught:
        read_gates(tmp_path)
    assert caught.value.problems == (
        "a.yaml: line 1: tolerance is '2': write a share over 0 and under 1, for example 0.005 or 0.5%",
        "a.yaml: line 2: unknown key 'alhpa' in the policy: did you mean alpha?",
        "b.yml: not UTF-8",
        "c d.yaml: no name of a gate: write letters, digits, . _ ~ -",
    )


async def test_policy_check_tells_every_problem_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("tolerance: 1\nmin_pairs: 0\nwhatever: 1\n")
    ended = await command("policy", "check", str(file))
    assert (ended.code, ended.out) == (3, "")
    assert [line.partition("policy.yaml: ")[2][:6] for line in ended.err.splitlines()] == [
        "line 1", "line 2", "line 3",
    ]  # fmt: skip
    file.write_text("tolerance: 1%\n")
    ended = await command("policy", "check", str(file))
    assert (ended.code, ended.err) == (0, "")
    assert "tolerance 1 %" in ended.out


def test_only_rules_that_judge_a_candidate_of_a_service_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(
        "rules:\n"
        "  - {ignore: {field: $.a}, where: {service: orders}, note: ours}\n"
        "  - {ignore: {field: $.b}, where: {service: cart}, note: theirs}\n"
        "  - {ignore: {field: $.c}, note: gone, until: 2020-01-01}\n"
        "  - {expected: {field: $.d, kind: value, candidate: v3}, note: later}\n"
    )
    notes = RuleNotes(file)
    assert list(notes.of("orders", "v2").values()) == ["ours"]
    assert sorted(notes.of("cart", "v3").values()) == ["later", "theirs"]
    file.write_text("rules: nonsense\n")
    assert list(notes.of("orders", "v2").values()) == ["ours"]
    assert RuleNotes(None).of("orders", "v2") == {}
