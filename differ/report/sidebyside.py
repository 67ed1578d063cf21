"""Two bodies beside each other, line by line, aligned by what they mean.

JSON is printed one member a line and aligned by member and element; anything else is aligned by
lines. Nothing is decided here: whether a line is a regression, noise or ignored was found when the
pair was judged, and is looked up by path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import InvalidOperation
from typing import Final

from differ.report.json_rows import Walk, read
from differ.report.rows import UNKNOWN, Cell, Fold, Found, Mark, Row, Shown, aligned, clip
from differ.report.visible import visible

MAX_ROWS: Final = 3000
"""Rows shown of one example; a browser stays quick, and nobody reads more."""

CONTEXT: Final = 3
"""Unchanged rows shown around a changed one."""

MAX_FOLD: Final = 200
"""Unchanged rows that a fold can open; of a longer run only the count is given."""


def side_by_side(left: str, right: str, found: Mapping[str, Found]) -> Shown:
    """Both texts aligned and folded. Total: whatever they are, it gives rows."""
    try:
        before, after = read(left), read(right)
        rows = list(Walk(found).both(before, after, (), (), 0, "", ("", "")))
    except (ValueError, RecursionError, InvalidOperation):
        rows = list(_lines(left, right, found))
    return Shown(tuple(_fold(rows[:MAX_ROWS])), len(rows) > MAX_ROWS)


def _lines(left: str, right: str, found: Mapping[str, Found]) -> Iterator[Row]:
    """Any text, by lines. A finding about the body as a whole tells what the changed ones are."""
    here = found.get("$") or next((each for path, each in found.items() if path[:1] == "$"), UNKNOWN)
    before, after = left.splitlines(), right.splitlines()
    for i, j in aligned(before, after):
        old = None if i is None else clip(visible(before[i]))
        new = None if j is None else clip(visible(after[j]))
        if old is not None and new is not None:
            if before[i or 0] == after[j or 0]:
                yield Row(Cell(old), Cell(new))
            else:
                yield Row(Cell("", old), Cell("", new), Mark.CHANGED, here.disposition, here.note)
        elif old is not None:
            yield Row(Cell("", old), None, Mark.REMOVED, here.disposition, here.note)
        elif new is not None:
            yield Row(None, Cell("", new), Mark.ADDED, here.disposition, here.note)


def _fold(rows: Sequence[Row]) -> Iterator[Row | Fold]:
    """Runs of unchanged rows folded, save a few around each change."""
    changed = [index for index, row in enumerate(rows) if row.mark is not Mark.SAME]
    shown = {
        near
        for index in changed
        for near in range(max(0, index - CONTEXT), min(len(rows), index + CONTEXT + 1))
    }
    index = 0
    while index < len(rows):
        end = index
        while end < len(rows) and end not in shown:
            end += 1
        if end - index > 1:
            run = tuple(rows[index:end])
            yield Fold(len(run), run if len(run) <= MAX_FOLD else ())
            index = end
        else:
            yield rows[index]
            index += 1
