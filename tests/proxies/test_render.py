"""Configuration for one's own names: what is shipped is what is made, and Envoy takes all of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from differ.cli import cli
from differ.local import binaries
from differ.proxies.names import Names
from differ.proxies.render import DEPLOYED, Kind, render

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize("name", DEPLOYED)
def test_the_shipped_file_is_what_is_made_for_the_names_it_has(name: str) -> None:
    assert (DEPLOY / name).read_text("utf-8") == render(*DEPLOYED[name], Names())


@pytest.mark.parametrize("name", [name for name in DEPLOYED if name.startswith("envoy/")])
def test_envoy_takes_the_shipped_file(name: str) -> None:
    command = [str(binaries.envoy()), "--mode", "validate", "-l", "error", "-c", str(DEPLOY / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_of_the_default_names_is_left_where_others_are_given(kind: Kind) -> None:
    options = ["--service", "tills", "--namespace", "mall", "--primary", "http://a.mall:81"]
    options += ["--shadow", "http://b.mall:82", "--primary-version", "old", "--shadow-version", "new"]
    options += ["--collector", "c.mall:83", "--listen", "127.0.0.1:84", "--gateway", "door", "--port", "85"]
    done = CliRunner().invoke(cli, ["envoy-config", kind.value, *options])
    assert done.exit_code == 0, done.output
    for default in ("orders", "shop", "8602", "8080", ": v1\n", ": v2\n", "mirrordiff.svc", "edge"):
        assert default not in done.output


@pytest.mark.parametrize("kind", [Kind.EDGE, Kind.ISTIO, Kind.ISTIO_GATEWAY, Kind.GATEWAY])
def test_methods_that_may_write_are_mirrored_only_when_asked(kind: Kind) -> None:
    careful, bold = (
        CliRunner().invoke(cli, ["envoy-config", kind.value, *more]).output for more in ([], ["--unsafe"])
    )
    assert "OPTIONS" in careful
    assert "OPTIONS" not in bold


def test_half_of_the_requests() -> None:
    said = {
        Kind.EDGE: "numerator: 500000",
        Kind.ISTIO: "value: 50.0",
        Kind.GATEWAY: "numerator: 5000",
        Kind.NGINX: "50% ",
    }
    for kind, text in said.items():
        assert text in CliRunner().invoke(cli, ["envoy-config", kind.value, "--percent", "50"]).output


def test_every_kubernetes_document_says_what_it_is() -> None:
    for name in DEPLOYED:
        if name.startswith(("istio/", "envoy-gateway/")):
            for document in yaml.safe_load_all((DEPLOY / name).read_text("utf-8")):
                # What patches Istio's gateway has to be where that is.
                at_gateway = document["metadata"]["name"] == "mirrordiff-edge" and name.startswith("istio/")
                assert document["metadata"]["namespace"] == ("istio-system" if at_gateway else "shop")
                assert {"apiVersion", "kind", "spec"} <= set(document)


@pytest.mark.parametrize(
    "arguments",
    [
        ["edge", "--collector", "nowhere"],
        ["envoy-gateway", "--way", "access-log"],
        ["istio-gateway", "--way", "access-log"],
        ["nginx", "--request-bodies"],
    ],
)
def test_what_cannot_be_is_said(arguments: list[str]) -> None:
    assert (
        CliRunner().invoke(cli, ["envoy-config", *arguments]).exit_code == 2
    )  # click's own, as main maps it
