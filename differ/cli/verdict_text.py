"""A verdict's document as text for a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from differ.core.rate import Rate
from differ.report.visible import one_line

TOP: Final = 20
"""Signatures listed; of the rest only the number."""

_GLYPHS: Final = {"PASS": "✓", "FAIL": "✕", "INCONCLUSIVE": "?"}
_COLOURS: Final = {"PASS": "32", "FAIL": "31", "INCONCLUSIVE": "33"}
_KINDS: Final = {"missing": "−", "extra": "+", "type": "≠", "value": "≠", "order": "⇅"}


def verdict_text(
    document: dict[str, Any], signatures: Sequence[dict[str, Any]], *, colour: bool = False
) -> str:
    """The verdict, why, and what was found, the worst first."""
    head, *rest = map(one_line, _lines(document, signatures))
    if not colour:
        return "\n".join([head, *rest])
    code = _COLOURS.get(str(document["verdict"]), "0")
    return "\n".join([f"\x1b[1;{code}m{head}\x1b[0m", *rest])


def _lines(document: dict[str, Any], signatures: Sequence[dict[str, Any]]) -> Iterator[str]:
    verdict = str(document["verdict"])
    primary = document.get("primaryVersion") or "?"
    candidate = document.get("candidate") or "no candidate yet"
    yield (
        f"{_GLYPHS.get(verdict, '?')} {verdict}  {document['service']}  {primary} → {candidate}  "
        f"{int(document.get('pairs', 0)):,} pairs compared"
    )
    for reason in document.get("reasons", ()):
        yield f"  {reason['code']}: {reason['message']}"
    need = document.get("needEstimate")
    if need:
        yield f"  about {int(need):,} more pairs decide"
    found = [each for each in signatures if not each["noisy"]]
    if found:
        yield ""
        yield f"{len(found)} {'finding' if len(found) == 1 else 'findings'}, the worst first"
        rows = [_row(each) for each in found[:TOP]]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
            yield f"  {cells}  {row[4]}".rstrip()
        if len(found) > TOP:
            yield f"  … and {len(found) - TOP} more"
    if document.get("reportUri"):
        yield ""
        yield f"report: {document['reportUri']}"


def _row(signature: dict[str, Any]) -> tuple[str, str, str, str, str]:
    rate = Rate(int(signature["differ"]["count"]), int(signature["differ"]["total"]))
    change = signature["detail"] or signature["kind"]
    return (
        str(signature["risk"]),
        str(signature["endpoint"]),
        f"{_KINDS.get(signature['kind'], '≠')} {signature['field']}",
        change,
        f"{rate} of {rate.total:,} pairs",
    )
