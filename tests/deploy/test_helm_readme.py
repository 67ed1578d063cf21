"""What the README says about the chart: commands that run, labels and values that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from collector.settings import CollectorSettings
from differ.core.policy import Mirrored, parse_policy
from differ.core.rules import parse_rules
from mirrordiff.process.settings import load
from tests.deploy.helm import helm
from tests.deploy.kustomize import render as kustomized
from tests.deploy.test_helm import DEFAULTS, KUBERNETES, ROOT, container, switched_on
from tests.deploy.test_manifests import PROCESSES, by_name, environment


def documented() -> str:
    """The README's part about Helm."""
    text = (KUBERNETES / "README.md").read_text()
    return text.partition("\n## With Helm\n")[2].partition("\n## ")[0]


def commands(program: str) -> list[list[str]]:
    """The commands of a program that are told there, as words."""
    blocks = "".join(re.findall(r"```sh\n(.*?)```", documented(), re.DOTALL)).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in blocks.splitlines()]
    return [words for words in lines if words[:1] == [program]]


def test_the_commands_that_are_told_install_the_values_that_are_told(tmp_path: Path) -> None:
    """As they stand, but for the cluster and the registry, which is a folder here."""
    (values,) = re.findall(r"```yaml\n(.*?)```", documented(), re.DOTALL)
    (tmp_path / "mirrordiff.yaml").write_text(values)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    pushed: dict[str, str] = {}
    installed = []
    for _, command, *words in commands("helm"):
        match command, words:
            case "package", _:
                assert helm(command, *words, folder=tmp_path).returncode == 0
            case "push", [file, registry]:
                pushed[f"{registry}/mirrordiff"] = file
            case "upgrade", ["--install", name, chart, *rest]:
                done = helm("template", name, pushed.get(chart, chart), *rest, folder=tmp_path)
                assert done.returncode == 0, done.stderr
                installed.append(by_name(list(yaml.safe_load_all(done.stdout))))
            case other:
                raise AssertionError(other)
    folder, packed = installed
    assert folder == packed
    default = by_name(switched_on("istio.enabled", "monitoring.enabled"))
    changed = {name for name, each in folder.items() if each != default[name]}
    processes = {f"Deployment mirrordiff-{name}" for name in PROCESSES}
    assert changed == {"ConfigMap mirrordiff-rules", "ConfigMap mirrordiff-policy", *processes}
    assert parse_rules(folder["ConfigMap mirrordiff-rules"]["data"]["rules.yaml"]).rules
    policy = folder["ConfigMap mirrordiff-policy"]["data"]["policy.yaml"]
    assert parse_policy(policy).mirrored is Mirrored.SAMPLED
    settings = load(CollectorSettings, environment(container(folder, "collector")))
    assert settings.redact_fields == "$.customer.email, $..iban"


def test_the_labels_that_are_told_are_those_of_the_namespace() -> None:
    told: dict[str, str] = {}
    for _, verb, kind, name, *labels in commands("kubectl"):
        assert (verb, kind, name) == ("label", "namespace", "mirrordiff")
        told |= dict(label.split("=") for label in labels)
    namespace = by_name(kustomized(KUBERNETES / "overlays/istio"))["Namespace mirrordiff"]
    assert told == namespace["metadata"]["labels"]


def test_the_values_that_are_told_exist() -> None:
    text = (KUBERNETES / "README.md").read_text()
    told = set(re.findall(r"`(?:--set-file )?([a-zA-Z]+\.[a-zA-Z.]+)(?:=\S+)?`", text))
    told = {name for name in told if not name.endswith(".yaml")}
    assert told >= {"istio.enabled", "api.tls.secret", "redis.ports"}
    known = {".".join(path[:length]) for path in DEFAULTS for length in range(1, len(path) + 1)}
    assert told - known == {"gates.payments"}
