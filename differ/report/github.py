"""A verdict as GitHub's workflow commands: one annotation a signature, never one a difference.

GitHub shows ten annotations of a kind for each step, so there are no more, the worst first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from differ.report.outcome import Outcome

MOST: Final = 10

_LEVELS: Final = {"FAIL": "error", "INCONCLUSIVE": "warning", "PASS": "notice"}


def workflow_commands(outcome: Outcome) -> Iterator[str]:
    """The commands, a line each."""
    level = _LEVELS[outcome.verdict]
    title = f"mirrordiff {outcome.service}: {outcome.verdict}"
    yield _command(level, title, f"{outcome.summary} {outcome.report_uri}".rstrip())
    shown = {level: 1}
    for each in outcome.findings:
        level = _LEVELS[each.verdict]
        if shown.get(level, 0) < MOST:
            shown[level] = shown.get(level, 0) + 1
            yield _command(level, f"{each.endpoint}: {each.title}", f"in {each.rate}. {each.why}".rstrip())


def _command(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
