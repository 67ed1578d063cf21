"""What a gate leaves behind for pipelines: JUnit, Markdown, annotations, a page in one file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from differ.report.github import MOST, workflow_commands
from differ.report.junit import junit
from differ.report.markdown import MOST_BYTES, markdown
from differ.report.outcome import Outcome, outcome_of
from mirrordiff.process.redis import Client
from tests.api.conftest import Api
from tests.api.processes import api_process, command
from tests.api.seeding import Seed, planted

ATTACK = "</x>|`*_[a](b)\n::error::x\x1b[31m\u202e<script>"


async def outcome(api: Api, service: str = "orders") -> Outcome:
    document = (await api.http.get(f"/v1/services/{service}/gates/default/verdict")).json()
    listed = await api.http.get(f"/v1/services/{service}/sessions/latest/signatures?pageSize=1000")
    return outcome_of(document, listed.json()["signatures"])


def signature(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"{number:012x}", "endpoint": f"GET /{ATTACK}", "field": f"$.{ATTACK}", "kind": "value",
        "detail": "", "risk": "high", "noisy": False, "differ": {"count": 5, "total": 100}, **changes,
    }  # fmt: skip


def document(**changes: Any) -> dict[str, Any]:
    return {
        "service": ATTACK, "candidate": ATTACK, "primaryVersion": "v1", "verdict": "FAIL",
        "summary": ATTACK, "pairs": "100", "reportUri": "https://diff.example/x", "needEstimate": None,
        "checks": [{"code": "EXCESS_MISMATCH", "name": "pairs that differ", "result": "FAIL",
                    "mode": "gating", "endpoint": ATTACK, "measure": "5 %", "limit": "1 %",
                    "signatures": [f"{0:012x}"]}],
        **changes,
    }  # fmt: skip


async def test_junit_has_a_case_for_each_signature(api: Api, redis: Client) -> None:
    await planted(Seed(), pairs=360).write(redis)
    suite = ET.fromstring(junit(await outcome(api)))[0]  # noqa: S314  # ours
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert len(cases) == len(suite.findall("testcase")) == int(suite.get("tests", ""))
    broken = next(case for name, case in cases.items() if name and name.startswith("status 200 became 500"))
    assert broken.get("classname") == "POST /orders/{id}/refund"
    failure = broken.find("failure")
    assert failure is not None
    assert "3.3 % of 120 pairs" in failure.get("message", "")
    assert cases["verdict on v2"].find("failure") is not None
    assert cases["enough pairs compared"].find("failure") is None
    assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure")) > 1


async def test_what_is_open_is_skipped_and_not_failed(api: Api, redis: Client) -> None:
    seed = Seed()
    seed.same(20)
    await seed.write(redis)
    suite = ET.fromstring(junit(await outcome(api)))[0]  # noqa: S314  # ours
    assert suite.get("failures") == "0"
    assert int(suite.get("skipped", "")) > 0


def test_junit_takes_any_text() -> None:
    found = outcome_of(document(), [signature(0), signature(1)])
    suite = ET.fromstring(junit(found))[0]  # noqa: S314  # ours
    names = [case.get("name") for case in suite.findall("testcase")]
    assert len(set(names)) == len(names)


async def test_markdown_says_what_was_found(api: Api, redis: Client) -> None:
    await planted(Seed(), pairs=360).write(redis)
    text = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), markdown(await outcome(api)))
    assert text.startswith("## ❌ Block the release: orders <code>v2</code>")
    assert (
        "<code>POST /orders/{id}/refund</code> | <code>status</code> | 200 became 500 | 3.3 % of 120 pairs"
        in text
    )
    assert "[Report](https://diff.example/services/orders/sessions/v2)" in text


def test_markdown_makes_nothing_of_captured_text() -> None:
    text = markdown(outcome_of(document(), [signature(0)]))
    assert "<script" not in text
    assert "\n::error" not in text
    assert "\x1b" not in text
    table = [line for line in text.splitlines() if line.startswith("| high")]
    assert [line.count("|") for line in table] == [6]


def test_markdown_stays_below_what_is_taken() -> None:
    many = [signature(number, field="$." + "x" * 400) for number in range(10_000)]
    text = markdown(outcome_of(document(), many))
    assert MOST_BYTES - 2000 < len(text.encode()) <= MOST_BYTES
    shown = len([line for line in text.splitlines() if line.startswith("| high")])
    assert f"… and {10_000 - shown} more findings" in text


def test_annotations_are_few_and_on_one_line_each() -> None:
    told = list(workflow_commands(outcome_of(document(), [signature(0)] * 30)))
    assert len([line for line in told if line.startswith("::error ")]) == MOST
    assert all("\n" not in line and "\x1b" not in line for line in told)
    assert all(re.fullmatch(r"::(error|warning|notice) title=[^:,]*::.*", line) for line in told)


@pytest.fixture
async def address(redis_url: str, redis: Client) -> AsyncIterator[str]:
    await planted(Seed(), pairs=360).write(redis)
    async with api_process(redis_url) as started:
        yield started


class Saved(HTMLParser):
    """What a saved page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.anchors: set[str] = set()
        self.scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in {"src", "href"}:
                self.references.append(value or "")
            if name == "id":
                self.anchors.add(value or "")


async def test_a_pipeline_gets_all_of_them(address: str, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("junit.xml", "summary.md", "page.html", "step.md", "output")}
    ended = await command(
        "gate", "orders", "--api", address, "--github",
        "--junit", str(files["junit.xml"]), "--summary-md", str(files["summary.md"]),
        "--html", str(files["page.html"]),
        GITHUB_STEP_SUMMARY=str(files["step.md"]), GITHUB_OUTPUT=str(files["output"]),
    )  # fmt: skip
    assert ended.code == 1, ended.err
    assert "\n::error title=mirrordiff orders%3A FAIL::FAIL" in ended.out
    assert ET.parse(files["junit.xml"]).getroot().tag == "testsuites"  # noqa: S314  # ours
    assert files["summary.md"].read_text() == files["step.md"].read_text()
    assert files["output"].read_text().startswith("verdict=FAIL\nreport=http://")

    page = Saved(files["page.html"].read_text())
    assert page.scripts == 0
    assert all(reference.startswith("#") for reference in page.references)
    assert {reference[1:] for reference in page.references} <= page.anchors
    assert "division by zero" in files["page.html"].read_text()


async def test_files_that_cannot_be_written(address: str, tmp_path: Path) -> None:
    ended = await command("gate", "orders", "--api", address, "--junit", str(tmp_path / "none" / "junit.xml"))
    assert ended.code == 3
    assert "junit.xml: No such file or directory" in ended.err
