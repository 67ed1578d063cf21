"""Pipelines as their own documentation has them: what each sends, and what each makes of the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from differ.core.policy import Policy
from mirrordiff.process.redis import Client, connect
from tests.api.conftest import Api, running
from tests.api.seeding import Seed, planted

PASS, FAIL, OPEN, AWAY = "PASS", "FAIL", "INCONCLUSIVE", "AWAY"


async def seeded(redis: Client) -> None:
    """One service for each verdict."""
    calm, quiet = Seed(service="pass"), Seed(service="inconclusive")
    calm.same(1000)
    quiet.same(20)
    await calm.write(redis)
    await quiet.write(redis)
    await planted(Seed(service="fail"), pairs=360).write(redis)


@pytest.fixture
async def seeded_api(redis: Client) -> AsyncIterator[Api]:
    await seeded(redis)
    async with running(redis, Policy()) as api:
        yield api


@pytest.fixture
async def away_api() -> AsyncIterator[Api]:
    nowhere = connect("redis://127.0.0.1:1/0", name="tests")
    async with running(nowhere) as api:
        yield api
    await nowhere.aclose()


class Argo:
    """An AnalysisRun's web metric: every answer but 2xx is an error, and both conditions are given."""

    async def measure(self, client: httpx.AsyncClient, service: str, candidate: str = "v2") -> str:
        answer = await client.get(
            f"/v1/services/{service}/gates/default/verdict", params={"candidate": candidate}
        )
        if answer.status_code // 100 != 2:
            return "Error"
        result = answer.json()
        success, failure = result["verdict"] == "PASS", result["verdict"] == "FAIL"
        return "Failed" if failure else "Successful" if success else "Inconclusive"


async def test_argo(seeded_api: Api) -> None:
    argo = Argo()
    assert await argo.measure(seeded_api.http, "pass") == "Successful"
    assert await argo.measure(seeded_api.http, "fail") == "Failed"
    assert await argo.measure(seeded_api.http, "inconclusive") == "Inconclusive"
    assert await argo.measure(seeded_api.http, "not-seen") == "Inconclusive"
    assert await argo.measure(seeded_api.http, "pass", "another") == "Inconclusive"


async def test_argo_while_redis_is_away(away_api: Api) -> None:
    assert await Argo().measure(away_api.http, "pass") == "Inconclusive"


class Flagger:
    """A canary's webhooks: up to 202 is success, and 5xx is tried again with its body dropped."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def call(self, hook: str, service: str, **metadata: str) -> tuple[bool, str]:
        answer = await self._client.post(
            f"/hooks/flagger/{hook}",
            json={
                "name": service,
                "namespace": "shop",
                "phase": "Progressing",
                "checksum": "85d557f47b",
                "metadata": {"gate": f"services/{service}/gates/default", **metadata},
            },
        )
        assert answer.status_code < 500
        return answer.status_code <= 202, answer.text


@pytest.mark.parametrize(
    ("hook", "answers"),
    [
        ("check", {PASS: True, OPEN: True, FAIL: False}),
        ("promote", {PASS: True, OPEN: False, FAIL: False}),
        ("rollback", {PASS: False, OPEN: False, FAIL: True}),
        ("event", {PASS: True, OPEN: True, FAIL: True}),
    ],
)
async def test_flagger(seeded_api: Api, hook: str, answers: dict[str, bool]) -> None:
    flagger = Flagger(seeded_api.http)
    assert {word: (await flagger.call(hook, word.lower()))[0] for word in answers} == answers


async def test_flagger_is_told_why_in_one_line(seeded_api: Api) -> None:
    flagger = Flagger(seeded_api.http)
    _, said = await flagger.call("check", "fail")
    assert said.startswith("FAIL: POST /orders/{id}/refund: new server errors")
    assert "https://diff.example/services/fail/sessions/v2" in said
    _, said = await flagger.call("promote", "inconclusive")
    assert "more pairs" in said


async def test_flagger_while_redis_is_away_neither_promotes_nor_rolls_back(away_api: Api) -> None:
    flagger = Flagger(away_api.http)
    hooks = ("check", "promote", "rollback", "event")
    answers = {hook: (await flagger.call(hook, "pass"))[0] for hook in hooks}
    assert answers == {"check": True, "promote": False, "rollback": False, "event": True}


@pytest.mark.parametrize(
    "body",
    [b"", b"not JSON", b"[]", b'{"metadata": 1}', b'{"metadata": {"gate": "orders"}}',
     b'{"metadata": {"gate": "services/fail/gates/strict"}}'],
)  # fmt: skip
async def test_a_request_that_cannot_be_read_never_rolls_back(seeded_api: Api, body: bytes) -> None:
    for hook in ("check", "promote", "rollback"):
        answer = await seeded_api.http.post(
            f"/hooks/flagger/{hook}", content=body, headers={"content-type": "application/json"}
        )
        assert 400 <= answer.status_code < 500


class Spinnaker:
    """A webhook stage that waits for completion: POST, then GET what ``statusUrl`` says."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def run(self, service: str) -> tuple[str, list[dict[str, Any]]]:
        started = await self._client.post(f"/v1/services/{service}/gates/default:evaluate")
        assert started.status_code == 200
        polled = [started.json()]
        for _ in range(3):
            answer = await self._client.get(polled[-1]["statusUrl"])
            assert answer.status_code == 200
            polled.append(answer.json())
        return polled[-1]["status"], polled


async def test_spinnaker(seeded_api: Api) -> None:
    spinnaker = Spinnaker(seeded_api.http)
    assert (await spinnaker.run("pass"))[0] == "PASS"
    assert (await spinnaker.run("fail"))[0] == "FAIL"
    status, polled = await spinnaker.run("inconclusive")
    assert status == "RUNNING"
    assert polled[0]["progress"].startswith("20/")


async def test_spinnaker_ends_at_the_deadline(redis: Client) -> None:
    await seeded(redis)
    async with running(redis, Policy(deadline=0)) as api:
        assert (await Spinnaker(api.http).run("inconclusive"))[0] == "INCONCLUSIVE"


async def test_spinnaker_keeps_to_the_candidate_it_began_with(seeded_api: Api, redis: Client) -> None:
    started = (await seeded_api.http.post("/v1/services/pass/gates/default:evaluate")).json()
    newer = Seed(service="pass", candidate="v3", started_us=Seed().started_us + 1_000_000)
    newer.same(10)
    await newer.write(redis)
    polled = (await seeded_api.http.get(started["statusUrl"])).json()
    assert polled["verdict"]["candidate"] == "v2"


async def test_spinnaker_while_redis_is_away(away_api: Api) -> None:
    assert (await Spinnaker(away_api.http).run("pass"))[0] == "RUNNING"


async def scraped(client: httpx.AsyncClient) -> dict[str, float]:
    """What Prometheus has of each service's default gate after a scrape: a series that is absent is stale."""
    families = text_string_to_metric_families((await client.get("/metrics")).text)
    samples = [sample for family in families for sample in family.samples]
    return {
        sample.labels["service"]: sample.value
        for sample in samples
        if sample.name == "mirrordiff_gate_verdict" and sample.labels["gate"] == "default"
    }


async def test_prometheus(seeded_api: Api) -> None:
    assert await scraped(seeded_api.http) == {"pass": 1, "inconclusive": 0, "fail": -1}


async def test_prometheus_has_no_verdict_while_redis_is_away(away_api: Api) -> None:
    assert await scraped(away_api.http) == {}
