"""The guides: links that lead somewhere, commands and variables that exist, rules that can be read."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import yaml

from collector.settings import CollectorSettings
from differ.api.settings import ApiSettings
from differ.cli import cli
from differ.core.checks import Code
from differ.core.policy import Policy, parse_policy
from differ.core.rules import parse_rules
from differ.doctor import causes
from differ.worker.settings import WorkerSettings
from tests.deploy import schemas
from tests.deploy.kustomize import render

DEPLOY = Path(__file__).parents[2] / "deploy"
PAGES = sorted(DEPLOY.rglob("*.md"))
OF_THE_COMMAND_LINE = {"API", "TOKEN"}


def relative(path: Path) -> str:
    """For the names of tests."""
    return str(path.relative_to(DEPLOY))


@pytest.fixture(params=PAGES, ids=relative)
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []
    headings = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_folders_and_files_named_exist(page: Path) -> None:
    named = set(re.findall(r"\bdeploy/[\w./-]*\w", page.read_text()))
    assert [name for name in named if not (DEPLOY.parent / name).exists()] == []


def test_variables_exist(page: Path) -> None:
    known = {
        name.upper()
        for model in (CollectorSettings, WorkerSettings, ApiSettings)
        for name in model.model_fields
    }
    named = set(re.findall(r"\bMIRRORDIFF_([A-Z][A-Z_]*[A-Z])", page.read_text()))
    assert named - known - OF_THE_COMMAND_LINE == set()


def commands(text: str) -> list[list[str]]:
    """Every ``mirrordiff …`` in a page, as words."""
    joined = text.replace("\\\n", " ")
    found = re.findall(r"(?:^|[`\s])mirrordiff ([a-z][a-z-]*(?: [^`\n|;>#&]*)?)", joined, re.MULTILINE)
    known = cli.list_commands(click.Context(cli))
    return [words for words in (line.split() for line in found) if words[0] in known]


def test_commands_are_ones_that_mirrordiff_knows(page: Path) -> None:
    for name, *arguments in commands(page.read_text()):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        known = {option for each in command.params for option in each.opts}
        assert {word for word in arguments if word.startswith("-") and word != "-"} <= known, name


def test_the_pages_tell_commands_at_all() -> None:
    told = [words for page in PAGES for words in commands(page.read_text())]
    assert {words[0] for words in told} >= {"gate", "doctor", "envoy-config", "rules"}


def test_rules_in_the_pages_can_be_read() -> None:
    blocks = [
        block
        for page in PAGES
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
        if block.startswith("rules:")
    ]
    assert blocks
    for block in blocks:
        assert parse_rules(block).rules


def test_the_patches_of_an_installations_own_fit_the_base(tmp_path: Path) -> None:
    text = (DEPLOY / "kubernetes/README.md").read_text()
    (patches,) = re.findall(r"```yaml\n(patches:.*?)```", text, re.DOTALL)
    base = DEPLOY / "kubernetes/base"
    (tmp_path / "kustomization.yaml").write_text(f"resources: [{base}]\n{patches}")
    changed = {each["metadata"]["name"]: each for each in render(tmp_path) if each not in render(base)}
    assert set(changed) == {"mirrordiff-rules", "mirrordiff-policy", "mirrordiff-collector"}
    assert parse_rules(changed["mirrordiff-rules"]["data"]["rules.yaml"]).rules
    assert parse_policy(changed["mirrordiff-policy"]["data"]["policy.yaml"]) != Policy()
    assert [fault for each in changed.values() for fault in schemas.problems(each)] == []


def test_yaml_in_the_pages_is_yaml(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        yaml.safe_load(block)


def test_the_runbook_knows_every_loss_and_names_reasons_as_verdicts_do() -> None:
    text = (DEPLOY / "guide/runbook.md").read_text()
    for reason in causes.LOSSES:
        family = f"{reason.partition('_')[0]}_…"
        assert f"`{reason}`" in text or f"`{family}`" in text, reason
    shouted = set(re.findall(r"`([A-Z]{3,}(?:_[A-Z]+)*)`", text))
    assert {word for word in shouted if not word.startswith("MIRRORDIFF_")} <= {code.value for code in Code}


def test_the_runbook_knows_every_alert_and_the_pages_no_other() -> None:
    alerts = {
        rule["alert"]
        for group in yaml.safe_load((DEPLOY / "monitoring/alerts.yaml").read_text())["spec"]["groups"]
        for rule in group["rules"]
    }
    named = {relative(page): set(re.findall(r"\bMirrordiff[A-Z]\w+", page.read_text())) for page in PAGES}
    assert named["guide/runbook.md"] == alerts
    assert set().union(*named.values()) <= alerts
