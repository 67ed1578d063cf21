"""The image's recipe and the Compose file, as far as they can be held to the project without a builder."""

from __future__ import annotations

import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import yaml

from differ.core.policy import parse_policy
from differ.core.rules import parse_rules
from mirrordiff.process.settings import PREFIX, load
from tests.deploy import schemas
from tests.deploy.test_manifests import PROCESSES, ports

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "deploy/image/Containerfile"
COMPOSE = ROOT / "deploy/compose/compose.yaml"


def stages() -> list[list[list[str]]]:
    """Each stage's instructions, as words."""
    text = re.sub(r"^\s*#.*\n", "", RECIPE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[list[str]]] = []
    for line in text.splitlines():
        words = shlex.split(line)
        if words and words[0] == "FROM":
            found.append([])
        if words and found:
            found[-1].append(words)
    return found


def copied() -> set[str]:
    """What goes from the project into the image."""
    build = stages()[0]
    return {source for words in build if words[0] == "COPY" for source in words[1:-1]}


def test_everything_the_package_is_built_from_goes_into_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    built = project["tool"]["hatch"]["build"]
    needed = {
        "pyproject.toml",
        "uv.lock",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *(package.partition("/")[0] for package in built["targets"]["wheel"]["packages"]),
        built["hooks"]["custom"]["path"].partition("/")[0],
    }
    assert copied() == needed
    assert all((ROOT / name).exists() for name in needed)


def test_nothing_else_goes_to_the_builder() -> None:
    lines = RECIPE.with_name("Containerfile.dockerignore").read_text().split()
    assert {line[1:] for line in lines if line.startswith("!")} == copied()


def test_what_is_left_out_is_made_anew_or_not_needed() -> None:
    """A pattern that hits a source file would make an image that lacks it."""
    lines = RECIPE.with_name("Containerfile.dockerignore").read_text().split()
    dropped = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    assert dropped
    sources = [path for name in copied() for path in (ROOT / name).rglob("*") if "_pb2" not in path.name]
    hit = {path.name for path in sources for pattern in dropped if fnmatch(path.name, pattern)}
    assert hit <= {"__pycache__"}


def test_what_comes_out_runs_as_a_numbered_user_of_group_0_and_builds_nothing() -> None:
    *_, last = stages()
    assert [words[1] for words in last if words[0] == "USER"] == ["65532:0"]
    assert not [words for words in last if "apt-get" in words or "uv" in words]
    assert all("--from=build" in words for words in last if words[0] == "COPY")
    assert ["ENTRYPOINT", "[mirrordiff]"] in last
    everywhere = {each[0][1] for each in stages()}
    assert len(everywhere) == 1, "what was built for one base runs on another"


def test_the_builder_is_the_one_that_made_the_lock_file() -> None:
    pinned = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert pinned is not None
    assert f"uv=={pinned[1]}" in RECIPE.read_text()


def test_every_port_is_told() -> None:
    *_, last = stages()
    told = {int(port) for words in last if words[0] == "EXPOSE" for port in words[1:]}
    assert told == {port for model in PROCESSES.values() for port in ports(load(model, {}))}


def test_the_compose_file_is_valid_and_sets_what_the_processes_know() -> None:
    document = yaml.safe_load(COMPOSE.read_text())
    assert schemas.compose_problems(document) == []
    services = document["services"]
    assert set(services) == {"redis", *PROCESSES}
    for name, model in PROCESSES.items():
        service = services[name]
        assert service["command"] == [name]
        settings = load(model, service["environment"])
        assert {each.removeprefix(PREFIX).lower() for each in service["environment"]} <= set(
            model.model_fields
        )
        for published in service.get("ports", ()):
            host, outer, inner = published.split(":")
            assert host == "127.0.0.1", "published to everyone on the network"
            assert outer == inner
            assert int(inner) in ports(settings)


def test_the_files_beside_the_compose_file_can_be_read() -> None:
    folder = COMPOSE.with_name("config")
    assert parse_rules((folder / "rules.yaml").read_text()).rules == ()
    assert parse_policy((folder / "policy.yaml").read_text()) == parse_policy("")


def test_the_compose_schema_finds_faults() -> None:
    document = yaml.safe_load(COMPOSE.read_text())
    document["services"]["api"]["comand"] = ["api"]
    assert schemas.compose_problems(document)
