"""An outcome as text for a person, safe to show whatever was captured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, TextIO

import click

from differ.core.model import Disposition, Finding, Kind, Outcome, Result
from differ.core.pair_documents import encode

GLYPHS: Final[dict[Kind, str]] = {
    Kind.MISSING: "−",
    Kind.EXTRA: "+",
    Kind.TYPE: "≢",
    Kind.VALUE: "≠",
    Kind.ORDER: "⇅",
}
"""What happened to a field. Colour only says which side a value is from."""

_IGNORED: Final = "~"

_COLOURS: Final[dict[Result, str]] = {Result.SAME: "green", Result.DIFFERENT: "red", Result.SKIPPED: "yellow"}
_MARKS: Final[dict[Result, str]] = {Result.SAME: "✓", Result.DIFFERENT: "✕", Result.SKIPPED: "?"}

_SHORT: Final = 60
"""Columns of two values that still read well on one line, behind the path."""


def wants_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal that has not been asked to stay plain (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def harmless(text: str) -> str:
    """``text`` with everything escaped that a terminal would act on or hide.

    That is what Unicode does not call printable: control characters, marks of direction, characters
    without width. The escapes are those of JSON, so JSON text stays the same JSON.
    """
    return text if text.isprintable() else "".join(map(_harmless, text))


def _harmless(char: str) -> str:
    if char.isprintable():
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def outcome_lines(outcome: Outcome, name: str) -> Iterator[str]:
    """The lines that tell what became of a pair, styled; strip the styles where there is no colour."""
    mark = click.style(f"{_MARKS[outcome.result]} {outcome.result}", fg=_COLOURS[outcome.result], bold=True)
    reason = f": {harmless(outcome.reason)}" if outcome.reason else ""
    yield f"{mark}{'  ' + harmless(name) if name else ''}{reason}"
    for finding in outcome.findings:
        yield from _finding_lines(finding)
    if outcome.omitted:
        yield "  … and more"


def _finding_lines(finding: Finding) -> Iterator[str]:
    difference = finding.difference
    regression = finding.disposition is Disposition.REGRESSION
    glyph = GLYPHS[difference.kind] if regression else f"{_IGNORED}{GLYPHS[difference.kind]}"
    head = f"  {glyph:2} {harmless(str(difference.path))}"
    sides: list[str] = []
    if difference.kind is not Kind.EXTRA:
        sides.append(click.style(_value(difference.primary), fg="blue"))
    if difference.kind is not Kind.MISSING:
        sides.append(click.style(_value(difference.shadow), fg="yellow"))
    tail = "" if regression else f"  {finding.disposition}: {harmless(finding.rule)}"
    if sum(len(click.unstyle(side)) for side in sides) <= _SHORT:
        yield f"{head}  {' → '.join(sides)}{tail}"
        return
    yield head + tail
    names = {Kind.EXTRA: ["shadow"], Kind.MISSING: ["primary"]}.get(difference.kind, ["primary", "shadow"])
    for name, side in zip(names, sides, strict=True):
        yield f"       {name:7}  {side}"


def _value(value: object) -> str:
    return harmless(encode(value).decode())


def echo(text: str, stream: TextIO) -> None:
    """Write a line, in colour where the stream wants it, and whatever its encoding."""
    plain = text if wants_colour(stream) else click.unstyle(text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(plain.encode(encoding, "backslashreplace").decode(encoding) + "\n")
