"""Alerts that fire when they should, and a dashboard that asks for what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import collector.metrics
import differ.worker.metrics

HERE = Path(__file__).parent
MONITORING = HERE.parents[1] / "deploy/monitoring"
METRIC = re.compile(r"\bmirrordiff_[a-z_]+")


def rules() -> dict[str, Any]:
    """The rule file within the Kubernetes object."""
    spec: dict[str, Any] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["spec"]
    return spec


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels, without the rows between them."""
    found: list[dict[str, Any]] = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """Every query of the dashboard and the alerts."""
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (rule["expr"] for group in rules()["groups"] for rule in group["rules"])


PROMTOOL = shutil.which("promtool") or ""
"""From Debian's package prometheus, for one."""

WITH_PROMTOOL = pytest.mark.skipif(not PROMTOOL, reason="no promtool is on the PATH")


def promtool(*arguments: str, folder: Path) -> str:
    """What Prometheus' own tool says; fails where it finds a fault."""
    done = subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_alert_is_tested() -> None:
    tests = (HERE / "alerts_test.yaml").read_text()
    names = {rule["alert"] for group in rules()["groups"] for rule in group["rules"]}
    assert {name for name in names if name not in tests} == set()


async def test_only_metrics_that_exist_are_asked_for(api: httpx.AsyncClient) -> None:
    exposed = (await api.get("/metrics")).text
    families = [
        *collector.metrics.Metrics().registry.collect(),
        *differ.worker.metrics.Metrics().registry.collect(),
    ]
    known = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    known |= {line.split()[2] for line in exposed.splitlines() if line.startswith("# TYPE ")}
    asked = {name for expr in expressions() for name in METRIC.findall(expr)}
    assert asked - known == set()


def test_panels_say_what_they_show_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["description"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert all(x < 24 for x, _ in cells)
        assert not cells & taken, panel["title"]
        taken |= cells


@WITH_PROMTOOL
def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(rules()))
    (tmp_path / "test.yaml").write_text((HERE / "alerts_test.yaml").read_text())
    promtool("test", "rules", "test.yaml", folder=tmp_path)


@WITH_PROMTOOL
def test_a_wrong_alert_is_found(tmp_path: Path) -> None:
    changed = yaml.safe_dump(rules()).replace("> 60", "> 600")
    (tmp_path / "alerts.yaml").write_text(changed)
    (tmp_path / "test.yaml").write_text((HERE / "alerts_test.yaml").read_text())
    with pytest.raises(AssertionError, match="MirrordiffFallingBehind"):
        promtool("test", "rules", "test.yaml", folder=tmp_path)


@WITH_PROMTOOL
def test_the_dashboards_queries_are_promql(tmp_path: Path) -> None:
    queries = [expr.replace("$__rate_interval", "5m").replace("$service", ".*") for expr in expressions()]
    records = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(queries)]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": records}]}))
    assert f"{len(records)} rules found" in promtool("check", "rules", "queries.yaml", folder=tmp_path)
