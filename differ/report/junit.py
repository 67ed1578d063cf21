"""A verdict as JUnit XML: one case a signature, one a check, read by GitLab, Jenkins, GitHub and others.

FAIL becomes ``failure``, INCONCLUSIVE ``skipped``. Names are unique, since GitLab keeps the first of
those that are not.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET

from differ.report.outcome import Outcome, check_line

_NOT_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(outcome: Outcome) -> str:
    """The document."""
    suites = ET.Element("testsuites")
    suite = ET.SubElement(
        suites, "testsuite", name=_text(f"mirrordiff {outcome.service} {outcome.candidate}")
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("verdict", outcome.verdict),
        ("primary", outcome.primary),
        ("candidate", outcome.candidate),
        ("pairs", str(outcome.pairs)),
        ("report", outcome.report_uri),
    ):
        ET.SubElement(properties, "property", name=name, value=_text(value))
    _case(
        suite, "gate", f"verdict on {outcome.candidate}", outcome.verdict, outcome.summary, outcome.report_uri
    )
    seen: set[str] = set()
    for check in outcome.checks:
        # Checks on signatures are told by their signatures.
        name = " ".join(filter(None, (check.get("endpoint"), check.get("field"), check["name"])))
        if name not in seen and not check.get("signatures"):
            seen.add(name)
            _case(suite, "gate.checks", name, check["result"], check_line(check), "")
    for each in outcome.findings:
        details = f"{each.title} in {each.rate}\n{each.why}"
        _case(suite, each.endpoint, f"{each.title} [{each.id}]", each.verdict, details, outcome.report_uri)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    suite.set("errors", "0")
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _case(suite: ET.Element, group: str, name: str, verdict: str, message: str, link: str) -> None:
    case = ET.SubElement(suite, "testcase", classname=_text(group), name=_text(name), time="0")
    kind = {"FAIL": "failure", "INCONCLUSIVE": "skipped"}.get(verdict)
    if kind is not None:
        first = message.partition("\n")[0]
        told = ET.SubElement(case, kind, message=_text(first))
        told.text = _text(f"{message}\n{link}".rstrip())
        if kind == "failure":
            told.set("type", "regression")


def _text(text: str) -> str:
    """Text without the characters that no XML may have."""
    return _NOT_XML.sub("\ufffd", text)
