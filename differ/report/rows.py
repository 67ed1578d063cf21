"""The lines of two bodies beside each other, as values, and which of their elements belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Final

_MAX_ALIGNED: Final = 500
"""Elements or lines aligned by content; beyond it by position, because alignment is quadratic."""

_MAX_LINE: Final = 2000


class Mark(StrEnum):
    """What a row shows. The values are CSS classes too."""

    SAME = "same"
    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"
    ORDER = "order"


GLYPHS: Final = {Mark.SAME: "", Mark.CHANGED: "≠", Mark.REMOVED: "−", Mark.ADDED: "+", Mark.ORDER: "⇅"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of one side; ``head + core + tail`` is its text and ``core`` the part that changed."""

    head: str
    core: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of either side, or of both. ``disposition`` is empty where the sides are the same."""

    left: Cell | None
    right: Cell | None
    mark: Mark = Mark.SAME
    disposition: str = ""
    note: str = ""

    @property
    def glyph(self) -> str:
        """The sign for people: what changed, or ``~`` for noise and ``·`` for ignored."""
        return {"noise": "~", "ignored": "·"}.get(self.disposition, GLYPHS[self.mark])


@dataclass(frozen=True, slots=True)
class Fold:
    """A run of unchanged rows. ``rows`` is empty where there are too many to open."""

    count: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """Rows and folds in order; ``cut`` where there are more rows than are shown."""

    parts: tuple[Row | Fold, ...]
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What was found at a path: disposition, and the rule or evidence behind it."""

    disposition: str
    kind: str
    note: str = ""


UNKNOWN: Final = Found("regression", "value")
"""What is taken for found where a line differs and nothing is known of it."""


def aligned(left: Sequence[object], right: Sequence[object]) -> Iterator[tuple[int | None, int | None]]:
    """Positions that belong together; None on the side that has nothing there."""
    if max(len(left), len(right)) > _MAX_ALIGNED:
        for index in range(max(len(left), len(right))):
            yield index if index < len(left) else None, index if index < len(right) else None
        return
    for _, i, i_end, j, j_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for offset in range(max(i_end - i, j_end - j)):
            yield (
                i + offset if i + offset < i_end else None,
                j + offset if j + offset < j_end else None,
            )


def clip(text: str) -> str:
    """A line no longer than can be looked at."""
    return text if len(text) <= _MAX_LINE else f"{text[:_MAX_LINE]}… ({len(text):,} characters)"
