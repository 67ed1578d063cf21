"""A verdict as Markdown, for the summary of a pipeline's run. GitHub takes up to 1 MiB of it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

from differ.report.outcome import FoundSignature, Outcome, check_line

MOST_BYTES: Final = 1024 * 1024 - 4096
"""What GitHub takes, less room for what other steps of a job may have written."""

_GLYPHS: Final = {"PASS": "✅", "FAIL": "❌", "INCONCLUSIVE": "❓"}
_HEADS: Final = {
    "PASS": "Safe to release",
    "FAIL": "Block the release",
    "INCONCLUSIVE": "Not enough evidence",
}


def markdown(outcome: Outcome, most_bytes: int = MOST_BYTES) -> str:
    """The summary, never longer than ``most_bytes``: what does not fit is counted instead."""
    lines: list[str] = []
    size = 0
    left = len(outcome.findings)
    for line, finding in _lines(outcome):
        more = f"\n… and {left} more findings\n"
        if size + len(line.encode()) + 1 + len(more.encode()) > most_bytes:
            lines.append(more)
            break
        lines.append(line)
        size += len(line.encode()) + 1
        left -= finding
    return "\n".join(lines) + "\n"


def _lines(outcome: Outcome) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is that of a finding."""
    glyph, head = _GLYPHS[outcome.verdict], _HEADS[outcome.verdict]
    yield f"## {glyph} {head}: {_plain(outcome.service)} {_code(outcome.candidate)}", False
    yield "", False
    yield _plain(outcome.summary), False
    yield "", False
    need = f", about {outcome.need:,} more decide" if outcome.need else ""
    sides = f"{_code(outcome.primary)} against {_code(outcome.candidate)}"
    yield f"{sides}, {outcome.pairs:,} pairs compared{need}.", False
    if outcome.report_uri.startswith(("http://", "https://")):
        yield "", False
        yield f"[Report]({_address(outcome.report_uri)})", False
    failed = [check for check in outcome.checks if check["result"] != "PASS"]
    if failed:
        yield "\n| | Why |\n| --- | --- |", False
        for check in failed:
            yield f"| {_GLYPHS[check['result']]} | {_plain(check_line(check))} |", False
    if outcome.findings:
        yield "\n| Risk | Endpoint | Field | Change | Differs in |\n| --- | --- | --- | --- | --- |", False
    for each in outcome.findings:
        yield _row(each), True


def _row(each: FoundSignature) -> str:
    cells = (each.risk, _code(each.endpoint), _code(each.field), _plain(each.change), _plain(each.rate))
    return f"| {' | '.join(cells)} |"


_SIGNS: Final = re.compile(r"([\\`*_{}\[\]()#+!|~<>&@:-])")


def _plain(text: str) -> str:
    """Text of which Markdown makes nothing: every sign that could mean something is a reference."""
    return _SIGNS.sub(lambda found: f"&#{ord(found[0])};", " ".join(text.split()))


def _code(text: str) -> str:
    return f"<code>{_plain(text)}</code>"


def _address(text: str) -> str:
    return html.escape(text).replace("(", "%28").replace(")", "%29").replace(" ", "%20")
