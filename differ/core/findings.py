"""What a comparison has found so far, and the outcome it amounts to."""

from __future__ import annotations

from typing import Final

from differ.core.model import Difference, Disposition, Finding, Kind, Outcome, Result
from differ.core.paths import Part, Path, Step
from differ.core.rules import Scoped
from differ.core.shown import shown
from differ.core.values import Value
from differ.core.walk import Ordering, Steps, always_ordered

MAX_FINDINGS: Final = 500
"""Regressions, and as many ignored differences, that an outcome keeps. Nobody reads more of one pair,
and a body that is other from end to end would cost megabytes for each."""

_PARTS: Final = {
    part: place
    for place, part in enumerate((Part.STATUS, Part.HEADER, Part.BODY, Part.TRAILER, Part.LATENCY))
}


class Enough(Exception):
    """MAX_FINDINGS regressions are known: the outcome is certain, and the walk may end."""


class Collector:
    """Judges each difference by the rules as it is found, with its values still whole."""

    __slots__ = ("_findings", "_ignored", "_omitted", "_regressions", "_rules")

    def __init__(self, rules: Scoped | None) -> None:
        self._rules = rules
        self._findings: list[Finding] = []
        self._regressions = self._ignored = 0
        self._omitted = False

    @property
    def ordering(self) -> Ordering:
        """Which arrays of the body are unordered."""
        return always_ordered if self._rules is None else self._rules.ordering

    def add_in_body(self, steps: Steps, kind: Kind, primary: Value, shadow: Value) -> None:
        """Take a difference at a place of the body."""
        self.add(Path(Part.BODY, "", steps), kind, primary, shadow)

    def add(self, path: Path, kind: Kind, primary: Value, shadow: Value) -> None:
        """Take a difference. Raises Enough when no more is needed."""
        rule = None if self._rules is None else self._rules.judge(path, kind, primary, shadow)
        if rule is None:
            if self._regressions == MAX_FINDINGS:
                self._omitted = True
                raise Enough
            self._regressions += 1
            difference = Difference(path, kind, shown(primary), shown(shadow))
            self._findings.append(Finding(difference))
        elif self._ignored == MAX_FINDINGS:
            self._omitted = True
        else:
            self._ignored += 1
            difference = Difference(path, kind, shown(primary), shown(shadow))
            self._findings.append(Finding(difference, Disposition.IGNORED, rule.note, rule.id))

    def outcome(self, reason: str = "") -> Outcome:
        """The outcome; ``reason`` says why the body was not compared, where it was not."""
        findings = tuple(_sorted(self._findings))
        if self._regressions:
            return Outcome(Result.DIFFERENT, findings, omitted=self._omitted, uncompared=reason)
        if reason:
            return Outcome(Result.SKIPPED, findings, reason, self._omitted, reason)
        return Outcome(Result.SAME, findings, omitted=self._omitted)


def _sorted(findings: list[Finding]) -> list[Finding]:
    if len(findings) < 2:
        return findings
    try:
        return sorted(findings, key=_plain_order)
    except TypeError:
        # A position and a name at one place, where the two sides are of different types.
        return sorted(findings, key=_order)


def _plain_order(finding: Finding) -> tuple[int, str, tuple[Step, ...], str]:
    path = finding.difference.path
    return _PARTS[path.part], path.name, path.steps, finding.difference.kind


def _order(finding: Finding) -> tuple[int, str, list[tuple[int, int, str]], str]:
    path = finding.difference.path
    steps = [_step_order(step) for step in path.steps]
    return _PARTS[path.part], path.name, steps, finding.difference.kind


def _step_order(step: Step) -> tuple[int, int, str]:
    return (0, step, "") if isinstance(step, int) else (1, 0, str(step))
