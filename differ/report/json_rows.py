"""Two JSON values as rows: one member a line, aligned by member and element."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal

from differ.core.paths import Part, Path, Step
from differ.report.rows import UNKNOWN, Cell, Found, Mark, Row, aligned, clip
from differ.report.visible import visible


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


Json = dict[str, "Json"] | list["Json"] | str | bool | None


def read(text: str) -> Json:
    """JSON with its numbers as they were written. Raises ValueError for what is none."""
    value: Json = json.loads(
        text, parse_int=_Number, parse_float=_Number, parse_constant=_Number, object_pairs_hook=_members
    )
    return value


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member comes twice: shown as text, where both are seen")
    return members


def _canonical(value: Json) -> object:
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


class Walk:
    """Prints two values as rows."""

    def __init__(self, found: Mapping[str, Found]) -> None:
        self._found = found

    def both(
        self,
        left: Json,
        right: Json,
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
        left: dict[str, Json],
        right: dict[str, Json],
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
        left: list[Json],
        right: list[Json],
        at_left: tuple[Step, ...],
        at_right: tuple[Step, ...],
        depth: int,
    ) -> Iterator[Row]:
        for i, j in aligned([*map(_canonical, left)], [*map(_canonical, right)]):
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
        self, value: Json, at: tuple[Step, ...], depth: int, name: str, end: str, mark: Mark
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
        return UNKNOWN


def _path(steps: tuple[Step, ...]) -> str:
    return str(Path(Part.BODY, "", steps))


def _marked(line: str) -> Cell:
    """A line of which everything is marked but its indentation."""
    text = line.lstrip(" ")
    return Cell(line[: len(line) - len(text)], text)


def _scalar(value: Json) -> bool:
    return not isinstance(value, (dict, list)) or not value


def _text(value: Json) -> str:
    match value:
        case _Number():
            return clip(visible(value))
        case dict() | list():
            return "{}" if isinstance(value, dict) else "[]"
        case _:
            return clip(visible(json.dumps(value, ensure_ascii=False)))


def _print(value: Json, depth: int, name: str, end: str) -> Iterator[str]:
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
