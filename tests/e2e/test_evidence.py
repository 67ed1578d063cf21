"""From requests through a real Envoy to a verdict: right about noise, about faults, and about too little."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.evidence import Json, Stack, ask, faulty, mirrored, noisy, orders, stack, stamped

DEFAULT = "min_duration: 100ms\n"
GATES = {"default": DEFAULT, "thorough": DEFAULT + 'required: ["GET /rare/*"]\n'}


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with stack(GATES) as started:
        yield started


def codes(document: Json) -> set[str]:
    return {reason["code"] for reason in document["reasons"]}


async def test_a_candidate_as_noisy_as_v1_passes(running: Stack) -> None:
    async with mirrored(running, "noise", noisy("v1"), noisy("v2"), noisy("v1 again")) as url:
        await ask(url, orders(1200))
        document = await running.decided("noise")
    assert (document["verdict"], document["reasons"]) == ("PASS", [])
    (endpoint,) = document["endpoints"]
    assert [field["field"] for field in endpoint["noisyFields"]] == ["$.shelf"]
    assert endpoint["noiseSource"] == "control"
    assert endpoint["differing"] > 0


async def test_a_fault_beside_the_noise_fails_on_its_field_alone(running: Stack) -> None:
    async with mirrored(running, "fault", noisy("v1"), faulty(noisy("v2"), 50), noisy("v1 again")) as url:
        await ask(url, orders(3000))
        document = await running.decided("fault")
    assert document["verdict"] == "FAIL"
    (reason,) = document["reasons"]
    assert (reason["code"], reason["endpoint"]) == ("EXCESS_MISMATCH", "GET /orders/{id}")
    assert "$.total value" in reason["message"]
    assert "$.shelf" not in reason["message"]
    assert len(reason["signatures"]) == 1


async def test_v1_against_itself_passes_with_no_rule_written(running: Stack) -> None:
    async with mirrored(running, "same", stamped("v1"), stamped("v2"), stamped("v1 again")) as url:
        await ask(url, orders(1200))
        document = await running.decided("same")
    assert (document["verdict"], document["reasons"]) == ("PASS", [])


async def test_no_traffic_and_little_traffic_decide_nothing_and_say_what_is_missing(running: Stack) -> None:
    nothing = await running.verdict("little")
    assert (nothing["verdict"], "NO_SESSION" in codes(nothing)) == ("INCONCLUSIVE", True)
    async with mirrored(running, "little", noisy("v1"), noisy("v1")) as url:
        await ask(url, orders(20))
        little = await running.verdict_of(20, "little", "thorough")
    assert (little["verdict"], little["pairs"], little["final"]) == ("INCONCLUSIVE", "20", False)
    missing = [
        (reason["code"], reason.get("endpoint", ""), reason.get("have")) for reason in little["reasons"]
    ]
    assert ("INSUFFICIENT_PAIRS", "", 20) in missing
    assert ("INSUFFICIENT_PAIRS", "GET /orders/{id}", 20) in missing
    assert ("REQUIRED_ENDPOINT_UNSEEN", "GET /rare/*", 0) in missing
    assert little["needEstimate"] >= 280
