"""Every manifest, against the schemas of Kubernetes and of what extends it, and against the processes."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from collector.settings import CollectorSettings
from differ.api.settings import ApiSettings
from differ.core.policy import Policy, parse_policy
from differ.core.rules import parse_rules
from differ.worker.settings import WorkerSettings
from mirrordiff.process.settings import PREFIX, Address, Settings, load
from mirrordiff.redis_keys import GROUP, PARTITIONS, partition_key
from tests.deploy import helm, restricted, schemas
from tests.deploy.kustomize import Object, documents, render

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def objects(file: Path) -> list[Object]:
    """The objects of a file; a file of another form counts as one object without a kind."""
    found = documents(file)
    return found if all(isinstance(each, dict) for each in found) else [{}]


PROCESSES: dict[str, type[Settings]] = {
    "collector": CollectorSettings,
    "worker": WorkerSettings,
    "api": ApiSettings,
}


def whole(file: Path) -> bool:
    """Whether a kustomization.yaml stands for itself."""
    return bool(documents(file)[0]["kind"] == "Kustomization")


FOLDERS = [file.parent for file in sorted(DEPLOY.rglob("kustomization.yaml")) if whole(file)]
CHARTS = {file.parent for file in DEPLOY.rglob("Chart.yaml")}
"""What Helm makes of their templates is held to what is here by tests/deploy/test_helm.py."""


def outside_charts(pattern: str) -> list[Path]:
    """The files under deploy/ that are YAML as they stand."""
    return [file for file in sorted(DEPLOY.rglob(pattern)) if not CHARTS & set(file.parents)]


FILES = [
    file
    for file in outside_charts("*.yaml")
    if file.name != "kustomization.yaml"
    and objects(file)
    and all("kind" in each and "apiVersion" in each for each in objects(file))
]


def relative(path: Path) -> str:
    """For the names of tests."""
    return str(path.relative_to(DEPLOY))


def everything() -> Iterator[Object]:
    """All objects: of each folder as it is applied, and of each file beside them."""
    for folder in FOLDERS:
        yield from render(folder)
    for file in FILES:
        yield from documents(file)


@pytest.fixture(params=FOLDERS, ids=relative)
def rendered(request: pytest.FixtureRequest) -> list[Object]:
    folder: Path = request.param
    return render(folder)


def test_what_is_applied_is_valid(rendered: list[Object]) -> None:
    assert [fault for each in rendered for fault in schemas.problems(each)] == []


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_each_file_is_valid(file: Path) -> None:
    assert [fault for each in documents(file) for fault in schemas.problems(each)] == []


def test_no_file_is_left_out() -> None:
    """What is no object of Kubernetes is held to what it is for in a test of its own."""
    others = {
        relative(file)
        for file in outside_charts("*.y*ml")
        if file.name != "kustomization.yaml" and file not in FILES
    }
    assert others == {
        "compose/compose.yaml",
        "compose/config/policy.yaml",
        "compose/config/rules.yaml",
        "envoy/edge-access-log.yaml",
        "envoy/edge-ext-proc.yaml",
        "envoy/sidecar-primary-access-log.yaml",
        "envoy/sidecar-shadow-access-log.yaml",
        "gates/github/release-gate.yml",
        "gates/gitlab/release-gate.gitlab-ci.yml",
        "gates/spinnaker/orca-local.yml",
        "policy/default.yaml",
    }
    assert [*CHARTS] == [helm.CHART]


def test_nothing_is_applied_twice(rendered: list[Object]) -> None:
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in rendered]
    assert sorted(names) == sorted(set(names))


if KUBECTL := shutil.which("kubectl"):
    # Elsewhere the renderer stands alone, held by the schemas.
    @pytest.mark.parametrize("folder", FOLDERS, ids=relative)
    def test_kubectl_renders_the_same(folder: Path) -> None:
        command = [KUBECTL or "", "kustomize", str(folder)]
        printed = subprocess.run(command, capture_output=True, check=True).stdout
        theirs = [each for each in yaml.safe_load_all(printed) if each]
        assert by_name(render(folder)) == by_name(theirs)


def by_name(objects: list[Object]) -> dict[str, Object]:
    """Objects by kind and name."""
    return {f"{each['kind']} {each['metadata']['name']}": each for each in objects}


@pytest.mark.parametrize("change", ["misspelt", "wrong type", "missing", "unknown kind", "deep"])
def test_the_schemas_find_faults(change: str) -> None:
    deployment = copy.deepcopy(by_name(render(DEPLOY / "kubernetes/base"))["Deployment mirrordiff-api"])
    assert schemas.problems(deployment) == []
    match change:
        case "misspelt":
            deployment["spec"]["replica"] = 2
        case "wrong type":
            deployment["spec"]["replicas"] = "two"
        case "missing":
            del deployment["spec"]["selector"]
        case "unknown kind":
            deployment["apiVersion"] = "apps/v9"
        case _:
            deployment["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["grpc"]["prot"] = 1
    assert schemas.problems(deployment)


def test_every_pod_is_allowed_where_restricted_is_enforced() -> None:
    faults = [
        f"{each['kind']} {each['metadata']['name']}: {fault}"
        for each in everything()
        if each["kind"] != "Rollout"  # an example of the user's own service
        for pod in restricted.pods(each)
        for fault in [*restricted.violations(pod), *restricted.beyond(pod)]
    ]
    assert faults == []


def test_the_platform_chooses_the_user() -> None:
    """OpenShift gives each namespace users of its own, and refuses a pod that asks for another."""
    asking = {
        each["metadata"]["name"]
        for each in everything()
        if "runAsUser" in json.dumps(each)
        or "fsGroup" in json.dumps(each)
        or "runAsGroup" in json.dumps(each)
    }
    assert asking == {"mirrordiff-valkey"}  # for trials alone; its image is made for root


def test_no_rights_in_the_cluster_are_asked_for_unless_it_is_to_review_tokens() -> None:
    asked = {
        (each["kind"], each.get("roleRef", {}).get("name"))
        for each in everything()
        if "Role" in each["kind"] or each["kind"] in {"CustomResourceDefinition", "APIService"}
    }
    assert asked == {("ClusterRoleBinding", "system:auth-delegator")}


def test_selectors_find_their_pods(rendered: list[Object]) -> None:
    """A Service, a disruption budget or a policy that selects nothing looks fine and does nothing."""
    labels = [
        each["spec"]["template"]["metadata"]["labels"] for each in rendered if each["kind"] == "Deployment"
    ]
    for each in rendered:
        spec = each.get("spec", {})
        selector = (
            spec["selector"] if each["kind"] == "Service" else spec.get("selector", spec.get("podSelector"))
        )
        if each["kind"] in {
            "ServiceMonitor",
            "Service",
            "PodDisruptionBudget",
            "NetworkPolicy",
            "PodMonitor",
        }:
            wanted = selector.get("matchLabels", selector)
            assert any(wanted.items() <= found.items() for found in labels), each["metadata"]["name"]


def test_each_process_is_spread_out_and_closed_off_and_not_drained_at_once(rendered: list[Object]) -> None:
    def selecting(kind: str, pod: Object) -> list[str]:
        found = []
        for each in rendered:
            if each["kind"] == kind:
                selector = each["spec"].get("podSelector", each["spec"].get("selector"))["matchLabels"]
                if selector.items() <= pod["metadata"]["labels"].items():
                    found.append(each["metadata"]["name"])
        return found

    for each in rendered:
        if each["kind"] == "Deployment" and each["metadata"]["name"].removeprefix("mirrordiff-") in PROCESSES:
            pod = each["spec"]["template"]
            assert selecting("PodDisruptionBudget", pod) == [each["metadata"]["name"]]
            assert "mirrordiff-closed" in selecting("NetworkPolicy", pod)
            own = each["spec"]["selector"]["matchLabels"]
            spread = pod["spec"]["topologySpreadConstraints"]
            assert all(one["labelSelector"]["matchLabels"] == own for one in spread)
            assert {one["topologyKey"] for one in spread} == {
                "topology.kubernetes.io/zone",
                "kubernetes.io/hostname",
            }
            assert each["spec"].get("replicas", 2) >= 2


def processes(folder: str = "base") -> dict[str, tuple[Object, Object]]:
    """Each process's Deployment and container, by its command."""
    found: dict[str, tuple[Object, Object]] = {}
    for each in render(DEPLOY / "kubernetes" / folder):
        if each["kind"] == "Deployment":
            container = each["spec"]["template"]["spec"]["containers"][0]
            found[container["args"][0]] = (each, container)
    return found


def _optional(variable: Object) -> bool:
    return bool(variable.get("valueFrom", {}).get("secretKeyRef", {}).get("optional"))


def environment(container: Object) -> dict[str, str]:
    """The variables of a container; what a Secret must have is made up, and what it may have is not there."""
    needed = [each for each in container["env"] if not _optional(each)]
    return {each["name"]: each.get("value", "redis://user:secret@redis.example:6379/0") for each in needed}


def test_there_is_a_deployment_for_each_process() -> None:
    assert set(processes()) == set(PROCESSES)


@pytest.mark.parametrize("process", PROCESSES)
def test_variables_are_settings_and_ports_are_those_listened_on(process: str) -> None:
    model = PROCESSES[process]
    _, container = processes()[process]
    variables = environment(container)
    named = [each["name"] for each in container["env"]]
    unknown = {name for name in named if name.removeprefix(PREFIX).lower() not in model.model_fields}
    assert unknown == set()
    listened = ports(load(model, variables))
    assert {port["containerPort"] for port in container["ports"]} == listened
    assert listened == ports(load(model, {}))


def ports(settings: Settings) -> set[int]:
    """Every port that a process listens on."""
    return {value.port for value in dict(settings).values() if isinstance(value, Address)}


def test_services_lead_to_named_ports(rendered: list[Object]) -> None:
    offered = {
        port["name"]: port["containerPort"]
        for each in rendered
        for pod in restricted.pods(each)
        for container in restricted.containers(pod)
        for port in container.get("ports", ())
        if port["name"] != "http-health"
    }
    for each in rendered:
        if each["kind"] == "Service":
            for port in each["spec"]["ports"]:
                assert port["targetPort"] == port["name"]
                if port["name"] != "http-health":
                    assert offered[port["name"]] == port["port"]
        if each["kind"] == "NetworkPolicy":
            for rule in each["spec"].get("ingress", ()):
                assert {port["port"] for port in rule["ports"]} <= {*offered, "http-health"}


def test_mounted_files_are_what_the_variables_name_and_can_be_read() -> None:
    configs = {
        each["metadata"]["name"]: each for each in render(DEPLOY / "kubernetes/base") if "data" in each
    }
    named = set()
    for deployment, container in processes().values():
        volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
        mounts = {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}
        for value in environment(container).values():
            if value.startswith("/"):
                folder, _, file = value.rpartition("/")
                named.add(file)
                if "secret" not in mounts[folder]:
                    assert file in configs[mounts[folder]["configMap"]["name"]]["data"]
    assert named == {"rules.yaml", "policy.yaml", "tokens.yaml"}
    assert parse_rules(configs["mirrordiff-rules"]["data"]["rules.yaml"]).rules == ()
    assert parse_policy(configs["mirrordiff-policy"]["data"]["policy.yaml"]) == Policy()


def test_the_image_is_of_this_version(rendered: list[Object]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {
        container["image"]
        for each in rendered
        for pod in restricted.pods(each)
        for container in restricted.containers(pod)
    }
    assert {image for image in images if "mirrordiff" in image} <= {f"mirrordiff:{version}"}


def test_keda_looks_at_every_partition() -> None:
    scaled = by_name(render(DEPLOY / "kubernetes/overlays/keda"))["ScaledObject mirrordiff-worker"]
    triggers = [trigger["metadata"] for trigger in scaled["spec"]["triggers"]]
    assert [each["stream"] for each in triggers] == [partition_key("ready", n) for n in range(PARTITIONS)]
    assert {each["consumerGroup"] for each in triggers} == {GROUP}
    assert "replicas" not in processes("overlays/keda")["worker"][0]["spec"]


def test_strangers_are_let_in_only_where_that_is_asked_for() -> None:
    for folder in FOLDERS:
        if folder.parent.name == "overlays":
            _, container = processes(f"overlays/{folder.name}")["api"]
            variables = environment(container)
            is_open = folder.name == "open"
            assert ("MIRRORDIFF_API_OPEN" in variables) is is_open
            assert ("MIRRORDIFF_TOKENS" in variables) is not is_open
