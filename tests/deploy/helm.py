"""What a real Helm makes of the chart: the one of the wheel, or one on the PATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.deploy.kustomize import Object

CHART = Path(__file__).parents[2] / "deploy/helm/mirrordiff"
CHANGED = Path(__file__).parent / "helm_values.yaml"
"""Every value of the chart, set to something else."""


def helm(*arguments: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What Helm says and how it ends; the test fails where there is no Helm."""
    beside = Path(sys.executable).with_name("helm")
    program = beside if beside.exists() else shutil.which("helm")
    if program is None:
        pytest.fail("the chart is tested with Helm: put helm (3.17 or newer) on the PATH", pytrace=False)
    command = [program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@cache
def render(*arguments: str, chart: Path = CHART) -> list[Object]:
    """The objects of the chart as installed in the namespace ``mirrordiff``; not to be changed."""
    done = helm("template", "mirrordiff", chart, "--namespace", "mirrordiff", *arguments)
    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    assert len(names) == len(objects), "an object is there twice"
    return objects
