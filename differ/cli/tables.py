"""Lists as text: a table, JSON or YAML, the same rows in each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from differ.report.visible import one_line

Row = Mapping[str, Any]


def formatted(rows: Sequence[Row], columns: Mapping[str, str], output: str) -> str:
    """Rows as ``output`` asks; ``columns`` has the table's heads and the member each shows."""
    match output:
        case "json":
            return json.dumps(list(rows), indent=2, ensure_ascii=False)
        case "yaml":
            return yaml_text(list(rows))
        case _:
            return table(rows, columns)


def yaml_text(document: object) -> str:
    """A document as YAML, in its own order."""
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
    return text.rstrip()


def table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """Columns aligned, heads in capitals. Each row is one line, whatever is in it."""
    lines = [list(columns), *([_cell(row, member) for member in columns.values()] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(row: Row, member: str) -> str:
    """A member by its dotted name; a list by its length, a time to the second."""
    value: Any = row
    for name in member.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return "-"
    if isinstance(value, list):
        return str(len(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if member.endswith(("Time", "time")):
        return text.partition(".")[0].replace("T", " ")
    return one_line(text)
