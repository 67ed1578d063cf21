"""What pipelines are given: each asks for something that exists, and no gap in it lets a release through."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import httpx
import pytest
import yaml

from differ.api.hooks import Canary
from differ.api.service import DEFAULT_GATE
from differ.cli.gate import gate
from tests.deploy import restricted
from tests.deploy.kustomize import render

ROOT = Path(__file__).parents[2]
GATES = ROOT / "deploy/gates"


def manifest(name: str) -> dict[str, Any]:
    """One document."""
    document: dict[str, Any] = yaml.safe_load((GATES / name).read_text())
    return document


def path(url: str) -> str:
    """What is asked of the API, without where it is."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def test_every_pipeline_asks_the_service_that_is_installed() -> None:
    """Host and port of every URL are those of the API's Service."""
    [service] = [
        each
        for each in render(ROOT / "deploy/kubernetes/base")
        if each["kind"] == "Service" and each["metadata"]["name"] == "mirrordiff-api"
    ]
    name = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    [port] = [each["port"] for each in service["spec"]["ports"] if each["name"] == "http-api"]
    for file in sorted(path for path in GATES.rglob("*") if path.is_file()):
        hosts = set(re.findall(r"http://([^/\s\"]+)", file.read_text()))
        assert hosts <= {f"{name}:{port}"}, file
        assert hosts or file.name == "rollout.yaml"


class TestArgo:
    """The analysis template."""

    @property
    def metric(self) -> dict[str, Any]:
        [metric] = manifest("argo-rollouts/analysis-template.yaml")["spec"]["metrics"]
        assert isinstance(metric, dict)
        return metric

    async def test_its_question_has_an_answer(self, api: httpx.AsyncClient) -> None:
        given = {"service": "customer", "candidate": "6c54544bf9"}
        for argument in manifest("argo-rollouts/analysis-template.yaml")["spec"]["args"]:
            given.setdefault(argument["name"], argument.get("value", ""))
        url = re.sub(
            r"\{\{args\.(\S+?)\}\}", lambda hit: given[hit[1]], self.metric["provider"]["web"]["url"]
        )
        [header] = self.metric["provider"]["web"]["headers"]
        answer = await api.get(path(url), headers={header["key"]: header["value"]})
        assert answer.status_code == 200, answer.text
        assert self.metric["provider"]["web"]["jsonPath"] == "{$}"
        asked = answer.json()
        assert (asked["verdict"], asked["candidate"]) == ("INCONCLUSIVE", "6c54544bf9")

    def test_the_rollout_hands_in_what_the_template_needs(self) -> None:
        steps = manifest("argo-rollouts/rollout.yaml")["spec"]["strategy"]["canary"]["steps"]
        [analysis] = [step["analysis"] for step in steps if "analysis" in step]
        handed = {argument["name"] for argument in analysis["args"]}
        template = manifest("argo-rollouts/analysis-template.yaml")
        needed = {each["name"] for each in template["spec"]["args"] if set(each) == {"name"}}
        assert handed == needed
        assert analysis["templates"] == [{"templateName": template["metadata"]["name"], "clusterScope": True}]

    def test_requests_are_mirrored_while_it_asks_and_not_after(self) -> None:
        canary = manifest("argo-rollouts/rollout.yaml")["spec"]["strategy"]["canary"]
        kinds = [next(iter(step)) for step in canary["steps"]]
        assert kinds.index("setMirrorRoute") < kinds.index("analysis") < kinds.index("setMirrorRoute", 2)
        assert kinds.index("setWeight") > kinds.index("analysis"), "live requests before the verdict"
        mirrors = [step["setMirrorRoute"] for step in canary["steps"] if "setMirrorRoute" in step]
        assert {mirror["name"] for mirror in mirrors} == {
            route["name"] for route in canary["trafficRouting"]["managedRoutes"]
        }
        assert "match" in mirrors[0], "without one, Argo takes the route away"
        assert "match" not in mirrors[1]

    @pytest.mark.parametrize(
        ("told", "becomes"),
        [
            (["PASS"], "Successful"),
            (["INCONCLUSIVE"] * 40 + ["PASS"], "Successful"),
            (["FAIL"], "Failed"),
            (["INCONCLUSIVE"] * 40 + ["FAIL"], "Failed"),
            (["INCONCLUSIVE"] * 200, "Inconclusive"),
            (["away"] * 200, "Error"),
            (["INCONCLUSIVE", "away"] * 200, "Inconclusive"),
        ],
    )
    def test_what_argo_makes_of_answers(self, told: list[str], becomes: str) -> None:
        assert argo(self.metric, told) == becomes

    @pytest.mark.parametrize("guard", ["consecutiveSuccessLimit", "inconclusiveLimit"])
    def test_each_guard_is_needed(self, guard: str) -> None:
        """Without the one, no evidence promotes; without the other, the first look pauses."""
        unguarded = {key: value for key, value in self.metric.items() if key != guard}
        told = ["INCONCLUSIVE"] * 5 + ["PASS"] if guard == "inconclusiveLimit" else ["INCONCLUSIVE"] * 200
        assert argo(unguarded, told) != argo(self.metric, told)


def argo(metric: dict[str, Any], told: list[str]) -> str:
    """What an analysis becomes that is told these answers, one at a time.

    argoproj/argo-rollouts v1.8, analysis/analysis.go: assessMetricFailureInconclusiveOrError, then
    assessMetricStatus; utils/evaluate/evaluate.go for both conditions. Errors do not consume the count.
    """
    count = failed = inconclusive = errors = successes = 0
    for answer in told:
        if answer == "away":
            errors += 1
        else:
            count, errors = count + 1, 0
            success = metric["successCondition"] == f'result.verdict == "{answer}"'
            failure = metric["failureCondition"] == f'result.verdict == "{answer}"'
            failed += failure
            inconclusive += not success and not failure
            successes = successes + 1 if success else 0
        if failed > metric.get("failureLimit", 0):
            return "Failed"
        if inconclusive > metric.get("inconclusiveLimit", 0):
            return "Inconclusive"
        if errors > metric.get("consecutiveErrorLimit", 4):
            return "Error"
        limit = metric.get("consecutiveSuccessLimit", 0)
        if limit and successes >= limit:
            return "Successful"
        if count >= metric["count"]:
            return "Inconclusive" if limit else "Successful"
    return "Running"


class TestFlagger:
    """The canary's hooks."""

    @property
    def webhooks(self) -> list[dict[str, Any]]:
        hooked: list[dict[str, Any]] = manifest("flagger/canary.yaml")["spec"]["analysis"]["webhooks"]
        return hooked

    async def test_each_type_asks_the_hook_made_for_it(self, api: httpx.AsyncClient) -> None:
        """Without evidence a check passes, a promotion waits, and nothing is rolled back."""
        told = {}
        for each in self.webhooks:
            payload = {
                "name": "customer",
                "namespace": "shop",
                "phase": "Progressing",
                "metadata": each["metadata"],
            }
            told[each["type"]] = (await api.post(path(each["url"]), json=payload)).status_code
        assert told == {"rollout": 200, "confirm-promotion": 412, "rollback": 409, "event": 200}

    def test_all_ask_about_the_canarys_own_gate(self) -> None:
        canary = manifest("flagger/canary.yaml")
        for each in self.webhooks:
            asked = Canary(name="customer", metadata=each["metadata"]).gate()
            assert asked == (canary["metadata"]["name"], DEFAULT_GATE)

    def test_it_mirrors_for_as_long_as_it_analyses(self) -> None:
        """A weighted canary mirrors for one interval only (flagger, pkg/controller/scheduler.go)."""
        analysis = manifest("flagger/canary.yaml")["spec"]["analysis"]
        assert analysis["mirror"] is True
        assert "iterations" in analysis
        assert not {"stepWeight", "stepWeights", "maxWeight"} & set(analysis)


class TestSpinnaker:
    """The preconfigured stage."""

    @property
    def stage(self) -> dict[str, Any]:
        [stage] = manifest("spinnaker/orca-local.yml")["webhook"]["preconfigured"]
        assert isinstance(stage, dict)
        return stage

    async def test_its_question_has_an_answer(self, api: httpx.AsyncClient) -> None:
        given = {"service": "customer", "gate": "default", "candidate": "abc"}
        url = re.sub(r"\$\{parameterValues\['(\w+)'\]\}", lambda hit: given[hit[1]], self.stage["url"])
        begun = (await api.request(self.stage["method"], path(url))).json()
        for name in ("statusUrlJsonPath", "statusJsonPath", "progressJsonPath"):
            assert begun[self.stage[name].removeprefix("$.")]
        polled = (await api.get(path(begun["statusUrl"]))).json()
        assert polled["status"] == "RUNNING"
        assert {each["name"] for each in self.stage["parameters"]} == set(given)

    def test_every_verdict_ends_it_and_only_pass_goes_on(self) -> None:
        assert self.stage["successStatuses"] == "PASS"
        assert set(self.stage["terminalStatuses"].split(",")) == {"FAIL", "INCONCLUSIVE"}
        assert self.stage["waitForCompletion"] is True


def _github() -> str:
    return str(manifest("github/release-gate.yml")["jobs"]["mirrordiff"]["steps"][0]["run"])


def _gitlab() -> str:
    return str(manifest("gitlab/release-gate.gitlab-ci.yml")["mirrordiff"]["script"][0])


def _tekton() -> str:
    script = str(manifest("tekton/task.yaml")["spec"]["steps"][0]["script"])
    line = next(line for line in script.splitlines() if line.startswith("mirrordiff "))
    return line.replace("$TIMEOUT", "30m")


@pytest.mark.parametrize("command", [_github, _gitlab, _tekton], ids=["github", "gitlab", "tekton"])
def test_commands_are_ones_that_mirrordiff_knows(command: Callable[[], str]) -> None:
    program, name, *arguments = shlex.split(command())
    assert (program, name) == ("mirrordiff", "gate")
    context = gate.make_context("gate", arguments)
    assert context.params["wait"] is True


def test_a_misspelt_option_would_be_found() -> None:
    with pytest.raises(click.UsageError):
        gate.make_context("gate", [*shlex.split(_github())[2:], "--junt", "x"])


def test_gitlab_warns_of_too_little_evidence_and_of_nothing_else() -> None:
    assert manifest("gitlab/release-gate.gitlab-ci.yml")["mirrordiff"]["allow_failure"] == {"exit_codes": [2]}


@pytest.mark.parametrize(
    ("code", "mode", "ends", "verdict"),
    [
        (0, "fail", 0, "PASS"),
        (1, "continue", 1, "FAIL"),
        (2, "fail", 2, "INCONCLUSIVE"),
        (2, "continue", 0, "INCONCLUSIVE"),
        (4, "continue", 4, ""),
    ],
)
async def test_the_tekton_step_as_a_shell_runs_it(
    code: int, mode: str, ends: int, verdict: str, tmp_path: Path
) -> None:
    """With a command in mirrordiff's place that ends as told; texts with quotes stay texts."""
    (tmp_path / "mirrordiff").write_text(f'#!/bin/sh\n[ "$2" = "a \\" b" ] || exit 9\nexit {code}\n')
    (tmp_path / "mirrordiff").chmod(0o755)
    result = tmp_path / "verdict"
    result.touch()
    step = manifest("tekton/task.yaml")["spec"]["steps"][0]
    variables = {each["name"]: "" for each in step["env"]}
    variables |= {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "SERVICE": 'a " b',
        "ON_INCONCLUSIVE": mode,
        "VERDICT": str(result),
    }
    script = tmp_path / "script"
    script.write_text(step["script"])
    script.chmod(0o755)
    process = await asyncio.create_subprocess_exec(str(script), env=variables)
    assert await process.wait() == ends
    assert result.read_text() == verdict


def test_the_tekton_step_is_allowed_where_restricted_is_enforced() -> None:
    assert restricted.violations({"containers": manifest("tekton/task.yaml")["spec"]["steps"]}) == []
