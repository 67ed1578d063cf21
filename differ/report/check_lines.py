"""Why: the policy as a list of checks, with what decides first. Nothing else decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from differ.core.checks import Check
from differ.core.excess import Word
from differ.core.policy import Mode
from differ.core.verdict import Verdict
from differ.report.view import ChecksView, CheckView
from differ.report.words import GLYPHS, TONES, counted, first_of

REASONS: Final = 8
"""Checks listed as reasons; the rest is behind a fold."""

QUIET: Final = 60
"""Checks behind the fold; of more than that the number."""


def check_lines(verdict: Verdict, href: Callable[[str], str]) -> ChecksView:
    """The checks of a verdict; ``href`` gives where an endpoint is shown."""
    checks = list(_grouped(verdict.checks))
    deciding = [check for check in checks if _decides(verdict, check)]
    others = [check for check in checks if not _decides(verdict, check)]
    shown, more = first_of([*deciding[REASONS:], *others], QUIET)
    names = {check.endpoint for check in verdict.checks}

    def line(check: Check) -> CheckView:
        # A line for several endpoints says how many, and is nobody's own.
        return _line(check, href(check.endpoint) if check.endpoint in names and check.endpoint else "")

    return ChecksView(
        tuple(map(line, deciding[:REASONS])),
        tuple(map(line, shown)),
        _summary(deciding[REASONS:], others),
        more,
    )


def _grouped(checks: Sequence[Check]) -> Iterator[Check]:
    """The checks, with those of one name that pass as one line: what passes needs no list."""
    passing: dict[tuple[str, str, Mode], list[Check]] = {}
    for check in checks:
        if check.result is Word.PASS and check.endpoint and check.mode is not Mode.OFF:
            passing.setdefault((check.code, check.name, check.mode), []).append(check)
    done: set[tuple[str, str, Mode]] = set()
    for check in checks:
        key = (check.code, check.name, check.mode)
        if check.mode is Mode.OFF:
            continue
        if check.result is Word.PASS and check.endpoint:
            if key not in done:
                done.add(key)
                same = passing[key]
                where = check.endpoint if len(same) == 1 else counted(len(same), "endpoint")
                yield replace(
                    check,
                    endpoint=where,
                    measure=check.measure if len(same) == 1 else "all within the limit",
                )
        else:
            yield check


def _decides(verdict: Verdict, check: Check) -> bool:
    """Whether a check is a reason for the verdict: what is undecided is none where something fails."""
    return check.holds_up and not (verdict.word is Word.FAIL and check.result is not Word.FAIL)


def _summary(reasons: Sequence[Check], others: Sequence[Check]) -> str:
    """What the checks are that are not listed, in a line: further reasons, and what is no reason."""
    undecided = sum(check.holds_up for check in others)
    passing = sum(check.mode is Mode.GATING and check.result is Word.PASS for check in others)
    advisory = sum(check.mode is Mode.ADVISORY for check in others)
    said = {"more like these": len(reasons), "undecided": undecided, "passed": passing, "advisory": advisory}
    parts = [f"{count:,} {word}" for word, count in said.items() if count]
    return f"Other checks: {', '.join(parts)}" if parts else ""


def _line(check: Check, href: str) -> CheckView:
    """One line of why. An advisory check that does not pass is shown without colour."""
    return CheckView(
        tone="mute" if check.mode is Mode.ADVISORY else TONES[check.result],
        glyph=GLYPHS[check.result],
        where=f"{check.endpoint} {check.field}".strip(),
        what=check.name if check.endpoint else check.name[:1].upper() + check.name[1:],
        measured=check.measure,
        limit=f"limit {check.limit}" if check.limit else "",
        note="advisory, does not decide" if check.mode is Mode.ADVISORY else "",
        href=href,
    )
