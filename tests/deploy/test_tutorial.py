"""The tutorial's services as its pods run them, and its two versions of customer, compared."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from differ.core.compare import Where, compare
from differ.core.model import Response, Result
from differ.core.policy import Mirrored, parse_policy
from differ.core.rules import RuleSet
from differ.local.ports import free_ports
from tests.deploy.kustomize import render
from tests.deploy.test_manifests import by_name
from tests.waiting import eventually

GUIDE = Path(__file__).parents[2] / "deploy/guide"
WHERE = Where("customer", "GET /customers/{id}")


@asynccontextmanager
async def service(port: int, **variables: str) -> AsyncIterator[None]:
    """One of the services, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(GUIDE / "tutorial/shop.py"), env={**os.environ, "PORT": str(port), **variables}
    )
    try:
        async with httpx.AsyncClient() as client:

            async def up() -> bool:
                try:
                    return (await client.get(f"http://127.0.0.1:{port}/")).status_code == 404
                except httpx.TransportError:
                    return False

            await eventually(up, f"{variables} listens")
        yield
    finally:
        process.kill()
        await process.wait()


def url(port: int, path: str) -> str:
    return f"http://127.0.0.1:{port}/{path}"


async def test_the_chain_answers_and_v2_differs_as_the_tutorial_says() -> None:
    recommendation, preference, v1, v2 = free_ports(4)
    chain: dict[str, Any] = {"NAME": "customer", "NEXT": url(preference, "preferences")}
    async with (
        service(recommendation, NAME="recommendation"),
        service(preference, NAME="preference", NEXT=url(recommendation, "recommendations")),
        service(v1, **chain, VERSION="v1"),
        service(v2, **chain, VERSION="v2"),
        httpx.AsyncClient() as client,
    ):
        answer = (await client.get(url(v1, "customers/4"))).json()
        assert answer["next"]["next"]["goods"] == ["A-4", "B-4"]
        found: dict[int, list[tuple[str, str]]] = {}
        for number in (4, 7):
            sides = []
            for port in (v1, v2):
                got = await client.get(url(port, f"customers/{number}"))
                headers = tuple((name.lower(), value) for name, value in got.headers.items())
                sides.append(Response(status=got.status_code, headers=headers, body=got.content))
            outcome = compare(sides[0], sides[1], RuleSet.EMPTY, WHERE)
            assert outcome.result is Result.DIFFERENT
            found[number] = [
                (str(each.difference.path), str(each.difference.kind)) for each in outcome.findings
            ]
    assert ("$.loyalty", "type") in found[4]
    assert any(path == "status" for path, _ in found[7])


def test_its_pods_run_these_services_in_this_order() -> None:
    objects = by_name(render(GUIDE / "tutorial"))
    asked = {}
    for name, each in objects.items():
        if name.startswith("Deployment"):
            (container,) = each["spec"]["template"]["spec"]["containers"]
            variables = {one["name"]: one["value"] for one in container["env"]}
            asked[each["metadata"]["name"]] = variables.get("NEXT", "")
    assert asked == {
        "clients": "http://customer:8080/customers",
        "customer-v1": "http://preference:8080/preferences",
        "customer-v2": "http://preference:8080/preferences",
        "preference-v1": "http://recommendation:8080/recommendations",
        "recommendation-v1": "",
    }


def test_the_trial_expects_a_sample_to_be_mirrored() -> None:
    trial = by_name(render(GUIDE.parent / "kubernetes/overlays/trial"))
    policy = trial["ConfigMap mirrordiff-policy"]["data"]["policy.yaml"]
    assert parse_policy(policy).mirrored is Mirrored.SAMPLED
