"""Two bodies beside each other, line by line, aligned by what they mean.

JSON is printed one member a line and aligned by member and element; anything else is aligned by
lines. Nothing is decided here: whether a line is a regression, noise or ignored was found when the
pair was judged, and is looked up by path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Final

from differ.core.paths import Part, Path, Step
from differ.report.visible import visible

MAX_ROWS: Final = 3000
"""Rows shown of one example; a browser stays quick, and nobody reads more."""

CONTEXT: Final = 3
"""Unchanged rows shown around a changed one."""

MAX_FOLD: Final = 200
"""Unchanged rows that a fold can open; of a longer run only the count is given."""

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


def side_by_side(left: str, right: str, found: Mapping[str, Found]) -> Shown:
    """Both texts aligned and folded. Total: whatever they are, it gives rows."""
    try:
        before, after = _read(left), _read(right)
        rows = list(_Walk(found).both(before, after, (), (), 0, "", ("", "")))
    except (ValueError, RecursionError, InvalidOperation):
        rows = list(_lines(left, right, found))
    return Shown(tuple(_fold(rows[:MAX_ROWS])), len(rows) > MAX_ROWS)


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


_Json = dict[str, "_Json"] | list["_Json"] | str | bool | None


def _read(text: str) -> _Json:
    value: _Json = json.loads(
        text, parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=_members
    )
    return value


def _members(pairs: list[tuple[str, _Json]]) -> dict[str, _Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member comes twice: shown as text, where both are seen")
    return members


def _canonical(value: _Json) -> object:
    """Equal if and only if the values mean the same, and hashable."""
    match value:
        case _Number():
            return ("number", Decimal(value) if value.lower().lstrip("-")[:1].isdigit() else str(value))
        case dict():
            return ("object", frozenset((name, _canonical(each)) for name, each in value.items()))
        case list():
            return ("array", tuple(map(_canonical, value)))
        case bool():
            return ("boolean", value)
        case _:
            return value


class _Walk:
    """Prints two values as rows."""

    def __init__(self, found: Mapping[str, Found]) -> None:
        self._found = found

    def both(
        self,
        left: _Json,
        right: _Json,
        at_left: tuple[Step, ...],
        at_right: tuple[Step, ...],
        depth: int,
        name: str,
        ends: tuple[str, str],
    ) -> Iterator[Row]:
        """A value that both sides have; ``ends`` are the commas behind it."""
        pad = "  " * depth
        if isinstance(left, dict) and isinstance(right, dict) and (left or right):
            yield self._open(pad + name + "{", at_left, at_right)
            yield from self._members(left, right, at_left, at_right, depth + 1)
            yield Row(Cell(pad + "}" + ends[0]), Cell(pad + "}" + ends[1]))
        elif isinstance(left, list) and isinstance(right, list) and (left or right):
            yield self._open(pad + name + "[", at_left, at_right)
            yield from self._elements(left, right, at_left, at_right, depth + 1)
            yield Row(Cell(pad + "]" + ends[0]), Cell(pad + "]" + ends[1]))
        elif _canonical(left) == _canonical(right):
            for before, after in zip(
                _print(left, depth, name, ends[0]), _print(right, depth, name, ends[1]), strict=False
            ):
                yield Row(Cell(before), Cell(after))
        elif _scalar(left) and _scalar(right):
            found = self._at(at_left, at_right)
            yield Row(
                *_spans(pad + name, _text(left), _text(right), ends),
                Mark.CHANGED,
                found.disposition,
                found.note,
            )
        else:
            found = self._at(at_left, at_right)
            old = [_marked(line) for line in _print(left, depth, name, ends[0])]
            new = [_marked(line) for line in _print(right, depth, name, ends[1])]
            for index in range(max(len(old), len(new))):
                yield Row(
                    old[index] if index < len(old) else None,
                    new[index] if index < len(new) else None,
                    Mark.CHANGED,
                    found.disposition,
                    found.note,
                )

    def _open(self, text: str, at_left: tuple[Step, ...], at_right: tuple[Step, ...]) -> Row:
        found = self._found.get(_path(at_left)) or self._found.get(_path(at_right))
        if found is not None and found.kind == "order":
            return Row(Cell("", text), Cell("", text), Mark.ORDER, found.disposition, found.note)
        return Row(Cell(text), Cell(text))

    def _members(
        self,
        left: dict[str, _Json],
        right: dict[str, _Json],
        at_left: tuple[Step, ...],
        at_right: tuple[Step, ...],
        depth: int,
    ) -> Iterator[Row]:
        names = [*left, *(name for name in right if name not in left)]
        last = [next((name for name in reversed(names) if name in side), None) for side in (left, right)]
        for name in names:
            key = f"{_text(name)}: "
            ends = ("" if name == last[0] else ",", "" if name == last[1] else ",")
            before, after = (*at_left, name), (*at_right, name)
            if name not in right:
                yield from self._one(left[name], before, depth, key, ends[0], Mark.REMOVED)
            elif name not in left:
                yield from self._one(right[name], after, depth, key, ends[1], Mark.ADDED)
            else:
                yield from self.both(left[name], right[name], before, after, depth, key, ends)

    def _elements(
        self,
        left: list[_Json],
        right: list[_Json],
        at_left: tuple[Step, ...],
        at_right: tuple[Step, ...],
        depth: int,
    ) -> Iterator[Row]:
        for i, j in _aligned([*map(_canonical, left)], [*map(_canonical, right)]):
            if i is not None and j is not None:
                ends = ("" if i == len(left) - 1 else ",", "" if j == len(right) - 1 else ",")
                yield from self.both(left[i], right[j], (*at_left, i), (*at_right, j), depth, "", ends)
            elif i is not None:
                end = "" if i == len(left) - 1 else ","
                yield from self._one(left[i], (*at_left, i), depth, "", end, Mark.REMOVED)
            elif j is not None:
                end = "" if j == len(right) - 1 else ","
                yield from self._one(right[j], (*at_right, j), depth, "", end, Mark.ADDED)

    def _one(
        self, value: _Json, at: tuple[Step, ...], depth: int, name: str, end: str, mark: Mark
    ) -> Iterator[Row]:
        """A value that one side alone has."""
        found = self._at(at, at)
        for line in _print(value, depth, name, end):
            cell = _marked(line)
            left, right = (cell, None) if mark is Mark.REMOVED else (None, cell)
            yield Row(left, right, mark, found.disposition, found.note)

    def _at(self, at_left: tuple[Step, ...], at_right: tuple[Step, ...]) -> Found:
        """What was found here, or else at the nearest place around it."""
        for length in range(max(len(at_left), len(at_right)), -1, -1):
            for at in (at_left, at_right):
                found = self._found.get(_path(at[:length]))
                if found is not None:
                    return found
        return _UNKNOWN


_UNKNOWN: Final = Found("regression", "value")


def _path(steps: tuple[Step, ...]) -> str:
    return str(Path(Part.BODY, "", steps))


def _marked(line: str) -> Cell:
    """A line of which everything is marked but its indentation."""
    text = line.lstrip(" ")
    return Cell(line[: len(line) - len(text)], text)


def _scalar(value: _Json) -> bool:
    return not isinstance(value, (dict, list)) or not value


def _text(value: _Json) -> str:
    match value:
        case _Number():
            return _clip(visible(value))
        case dict() | list():
            return "{}" if isinstance(value, dict) else "[]"
        case _:
            return _clip(visible(json.dumps(value, ensure_ascii=False)))


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_LINE else f"{text[:_MAX_LINE]}… ({len(text):,} characters)"


def _print(value: _Json, depth: int, name: str, end: str) -> Iterator[str]:
    pad = "  " * depth
    match value:
        case dict() if value:
            yield f"{pad}{name}{{"
            for index, (key, member) in enumerate(value.items(), 1):
                yield from _print(member, depth + 1, f"{_text(key)}: ", "," if index < len(value) else "")
            yield f"{pad}}}{end}"
        case list() if value:
            yield f"{pad}{name}["
            for index, element in enumerate(value, 1):
                yield from _print(element, depth + 1, "", "," if index < len(value) else "")
            yield f"{pad}]{end}"
        case _:
            yield f"{pad}{name}{_text(value)}{end}"


def _spans(head: str, left: str, right: str, ends: tuple[str, str]) -> tuple[Cell, Cell]:
    """Two lines that begin alike, with the part marked in which they differ."""
    shorter = min(len(left), len(right))
    start = 0
    # Of short values the whole is marked: three digits in a number are no help to the eye.
    if shorter > 24 and left[:1] == right[:1] == '"':
        while start < shorter and left[start] == right[start]:
            start += 1
        stop = 0
        while stop < shorter - start and left[-1 - stop] == right[-1 - stop]:
            stop += 1
    else:
        stop = 0
    return tuple(  # type: ignore[return-value]
        Cell(head + text[:start], text[start : len(text) - stop], text[len(text) - stop :] + end)
        for text, end in zip((left, right), ends, strict=True)
    )


def _aligned(left: Sequence[object], right: Sequence[object]) -> Iterator[tuple[int | None, int | None]]:
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


def _lines(left: str, right: str, found: Mapping[str, Found]) -> Iterator[Row]:
    """Any text, by lines. A finding about the body as a whole tells what the changed ones are."""
    here = found.get("$") or next((each for path, each in found.items() if path[:1] == "$"), _UNKNOWN)
    before, after = left.splitlines(), right.splitlines()
    for i, j in _aligned(before, after):
        old = None if i is None else _clip(visible(before[i]))
        new = None if j is None else _clip(visible(after[j]))
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
