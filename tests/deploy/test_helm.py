"""The chart: the same objects as the Kustomize base and its overlays, and right with other values, too."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from differ.api.gates import read_gates
from differ.api.settings import ApiSettings
from differ.core.policy import Mirrored
from mirrordiff.process.settings import load
from tests.deploy import restricted, schemas
from tests.deploy.helm import CHANGED, CHART, helm, render
from tests.deploy.kustomize import Object, documents
from tests.deploy.kustomize import render as kustomized
from tests.deploy.test_manifests import PROCESSES, by_name, environment, ports

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
FOLDERS = [KUBERNETES / "base", *sorted((KUBERNETES / "overlays").iterdir())]

EVERYTHING = ("--values", str(CHANGED))
"""With every component; what a value excludes is to be seen in what follows."""
THE_OTHERS = (*EVERYTHING, "--set", "image.digest=,keda.enabled=false,open.enabled=false")

Values = dict[str, Any]
PathOfKeys = tuple[str, ...]


def switch(component: str) -> str:
    """The value that adds a component: ``token-review`` is ``tokenReview.enabled``."""
    first, *others = component.split("-")
    return f"{first}{''.join(map(str.capitalize, others))}.enabled"


def switched_on(*names: str) -> list[Object]:
    """The chart with these switches on, and nothing else changed."""
    return render(*(word for name in names for word in ("--set", f"{name}=true")))


def names(folder: Path) -> str:
    return folder.name


@pytest.mark.parametrize("folder", FOLDERS, ids=names)
def test_the_chart_is_the_base_and_each_overlay(folder: Path) -> None:
    components = documents(folder / "kustomization.yaml")[0].get("components", ())
    ours = switched_on(*(switch(Path(each).name) for each in components))
    theirs = by_name(kustomized(folder))
    del theirs["Namespace mirrordiff"]  # Helm makes it, and its labels are kubectl's
    assert by_name(ours) == theirs


def leaves(values: Values, above: PathOfKeys = ()) -> Iterator[tuple[PathOfKeys, Any]]:
    """Each value that is none of names, with the names that lead to it."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


DEFAULTS = dict(leaves(yaml.safe_load((CHART / "values.yaml").read_text())))


def scalars(value: Any) -> Iterator[str]:
    """Everything that is no list and no map, and the names in maps."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(inner)
    else:
        yield str(value)


SWITCHES = [".".join(path) for path, value in DEFAULTS.items() if isinstance(value, bool)]


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_does_something(name: str) -> None:
    default = DEFAULTS[tuple(name.split("."))]
    changed = render("--set", f"{name}={str(not default).lower()}")
    assert by_name(changed) != by_name(render())


def test_no_value_is_without_effect() -> None:
    """Each is set to something that is not there by default; a value not in the file is a KeyError."""
    before = set(scalars(render()))
    after = {*scalars(render(*EVERYTHING)), *scalars(render(*THE_OTHERS))}

    def within(text: str, all_: set[str]) -> bool:
        return text in all_ if text.isdigit() else any(text in each for each in all_)

    for path, default in DEFAULTS.items():
        if not isinstance(default, bool):
            value = yaml.safe_load(CHANGED.read_text())
            for name in path:
                value = value[name]
            told = list(scalars(value))
            assert told
            assert [text for text in told if not within(text, after)] == [], path
            assert [text for text in told if not within(text, before)], path


@pytest.fixture(params=[EVERYTHING, THE_OTHERS], ids=["everything", "the others"])
def changed(request: pytest.FixtureRequest) -> dict[str, Object]:
    return by_name(render(*request.param))


def test_with_other_values_it_is_valid_and_as_guarded(changed: dict[str, Object]) -> None:
    assert [fault for each in changed.values() for fault in schemas.problems(each)] == []
    pods = [pod for each in changed.values() for pod in restricted.pods(each)]
    assert len(pods) == 4
    assert [fault for pod in pods for fault in (*restricted.violations(pod), *restricted.beyond(pod))] == []
    asking = [pod for pod in pods if "runAs" in json.dumps(pod).replace("runAsNonRoot", "")]
    assert asking == []  # on OpenShift Valkey gets a user, too


def test_pods_are_found_and_no_variable_is_there_twice(changed: dict[str, Object]) -> None:
    for name, each in changed.items():
        if each["kind"] == "Deployment":
            (container,) = each["spec"]["template"]["spec"]["containers"]
            variables = [one["name"] for one in container.get("env", ())]
            assert sorted(variables) == sorted(set(variables)), name
            selected = each["spec"]["selector"]["matchLabels"]
            assert selected.items() <= each["spec"]["template"]["metadata"]["labels"].items()
        assert each["metadata"].get("namespace", "mirrordiff") == "mirrordiff"


def container(objects: dict[str, Object], process: str) -> Object:
    """The one container of a process."""
    (found,) = objects[f"Deployment mirrordiff-{process}"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("process", PROCESSES)
def test_processes_start_with_these_variables_and_listen_where_it_says(
    process: str, changed: dict[str, Object]
) -> None:
    found = container(changed, process)
    settings = load(PROCESSES[process], environment(found))
    assert {port["containerPort"] for port in found["ports"]} == ports(settings)


def test_an_api_with_a_certificate_is_probed_in_the_clear(changed: dict[str, Object]) -> None:
    found = container(changed, "api")
    settings = load(ApiSettings, environment(found))
    assert settings.api_health is not None
    declared = {port["name"]: port["containerPort"] for port in found["ports"]}
    probes = [found[name]["httpGet"]["port"] for name in found if name.endswith("Probe")]
    assert [declared[name] for name in probes] == [settings.api_health.port] * 3
    scraped = changed["PodMonitor mirrordiff"]["spec"]["podMetricsEndpoints"]
    assert [each["port"] for each in scraped] == ["http-health"]


def test_each_gate_has_a_file_as_the_api_reads_them(changed: dict[str, Object], tmp_path: Path) -> None:
    for name, text in changed["ConfigMap mirrordiff-policy"]["data"].items():
        (tmp_path / name).write_text(text)
    gates = read_gates(tmp_path)
    assert {name: policy.min_pairs for name, policy in gates.items()} == {"default": 1234567, "payments": 300}
    assert gates["payments"].mirrored is Mirrored.SAMPLED
    assert environment(container(changed, "api"))["MIRRORDIFF_POLICY"] == "/etc/mirrordiff/policy"


def annotated(*values: str) -> Values:
    """Of the API's pods, where these values are set."""
    words = [word for value in values for word in ("--set-string", value)]
    pod = by_name(render(*words))["Deployment mirrordiff-api"]["spec"]["template"]
    return dict(pod["metadata"].get("annotations", {}))


def test_the_api_is_restarted_for_a_policy_and_not_for_rules() -> None:
    """It reads its policy at the start, and follows the rules."""
    one, other = annotated("policy=min_pairs: 1"), annotated("policy=min_pairs: 2")
    assert one != other
    assert annotated("rules=rules: []") == {}


def test_keda_knows_a_cluster_by_several_addresses() -> None:
    nodes = "a.example:6379, b.example:6379"
    kind, address = "keda.type=redis-cluster-streams", f"keda.address={nodes}".replace(",", r"\,")
    objects = by_name(render("--set", f"keda.enabled=true,{kind},{address}"))
    for trigger in objects["ScaledObject mirrordiff-worker"]["spec"]["triggers"]:
        assert trigger["type"] == "redis-cluster-streams"
        assert trigger["metadata"].items() >= {"addresses": nodes}.items()
        assert "address" not in trigger["metadata"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("istoi.enabled=true", "istoi"),
        ("istio.enbled=true", "enbled"),
        ("collector.replicas=two", "collector.replicas"),
        ("redis.ports={6379,70000}", "redis.ports.1"),
        ("image.digest=latest", "image.digest"),
        ("api.env[0].name=A,api.env[0].value=1", "api.env.0.value"),
        (r"worker.podLabels.app\.kubernetes\.io/name=x", "app.kubernetes.io.name"),
        ("rules=", "rules"),
        ("gates.default=x", "gates.default"),
        ("tracing.endpoint=http://collector", "tracing.endpoint"),
        ("keda.type=redis-sentinel-streams", "keda.sentinelMaster"),
        ("keda.sentinelMaster=main", "keda.sentinelMaster"),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong: str, named: str) -> None:
    done = helm("template", "mirrordiff", CHART, "--set", wrong)
    assert done.returncode != 0
    # Helm 3 says redis.ports.1, and Helm 4 /redis/ports/1.
    assert named in done.stderr.replace("~1", ".").replace("/", "."), done.stderr


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def known(at: Values, values: Values, above: PathOfKeys) -> None:
        at = schema["definitions"][at["$ref"].rpartition("/")[2]] if "$ref" in at else at
        inner = at.get("properties", {})
        if values and not isinstance(at.get("additionalProperties"), dict):
            assert at["additionalProperties"] is False, above
            assert set(inner) - ({"global"} if not above else set()) == set(values), above
        for name, value in values.items():
            if isinstance(value, dict):
                known(inner[name], value, (*above, name))

    known(schema, yaml.safe_load((CHART / "values.yaml").read_text()), ())


def test_helm_has_nothing_to_say_about_the_chart() -> None:
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == project["version"]
    assert chart["description"] == project["description"]


UMBRELLA = """
apiVersion: v2
name: umbrella
version: 0.0.0
dependencies: [{name: mirrordiff, version: "*", repository: ""}]
"""
NOTES = """
kind: Notes
metadata: {name: notes}
text: {{ include "umbrella/charts/mirrordiff/templates/NOTES.txt" .Subcharts.mirrordiff | toJson }}
"""


def test_packed_and_within_another_chart_it_is_the_same_and_says_what_is_left_to_do(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/notes.yaml").write_text(NOTES)
    (tmp_path / "Chart.yaml").write_text(UMBRELLA)
    done = helm("package", CHART, "--destination", tmp_path / "charts")
    assert done.returncode == 0, done.stderr
    packed = by_name(render("--set", "mirrordiff.monitoring.enabled=true", chart=tmp_path))
    notes = packed.pop("Notes notes")["text"]
    assert packed == by_name(switched_on("monitoring.enabled"))
    assert {"mirrordiff-redis", "mirrordiff-tokens"} <= set(notes.split())
