"""``filter`` and ``order_by`` of lists: a documented subset of AIP-160 and AIP-132, all else refused.

Filter: comparisons joined by ``AND``, such as ``risk = "high" AND pairs >= 10``. A comparison is a column,
one of ``= != < <= > >=`` or ``:`` (contains), and a value, quoted where it has spaces. Text compares
with ``=``, ``!=`` and ``:``; numbers with all but ``:``. Order: columns separated by commas, each with
``desc`` or nothing behind it; what is equal stays in the list's own order.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from differ.api.errors import InvalidArgument, Reason, Violation

Item = TypeVar("Item")
Cell = str | float


@dataclass(frozen=True, slots=True)
class Column(Generic[Item]):
    """What a list can be filtered and ordered by."""

    get: Callable[[Item], Cell]
    number: bool = False


Columns = Mapping[str, Column[Item]]

LONGEST: Final = 1000
"""Characters of a filter or order. What people and programs write is far shorter."""

_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ":": operator.contains,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TERM: Final = re.compile(
    r"\s*(?P<column>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<op><=|>=|!=|=|<|>|:)\s*"
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"()<>=!,]+))\s*'
)


@dataclass(frozen=True, slots=True)
class Query:
    """What a caller wants of a list."""

    filter: str = ""
    order_by: str = ""

    def apply(self, items: Sequence[Item], columns: Columns[Item]) -> list[Item]:
        """Those of ``items`` that pass, in order. Raises InvalidArgument for what is not in the subset."""
        found = list(items)
        for column, op, value in _terms(self.filter, columns):
            compare = _COMPARE[op]
            found = [item for item in found if compare(column.get(item), value)]
        for column, descending in reversed(_order(self.order_by, columns)):
            found.sort(key=column.get, reverse=descending)
        return found

    def check(self, columns: Columns[Item]) -> None:
        """Raises InvalidArgument as `apply` would."""
        _terms(self.filter, columns)
        _order(self.order_by, columns)


def _terms(text: str, columns: Columns[Item]) -> list[tuple[Column[Item], str, Cell]]:
    terms: list[tuple[Column[Item], str, Cell]] = []
    _bounded(text, "filter", Reason.INVALID_FILTER)
    position = 0
    while text.strip():
        match = _TERM.match(text, position)
        if match is None:
            raise _bad_filter(f"at character {position + 1}: write column, operator and value")
        if match["column"] not in columns:
            raise _bad_filter(f"unknown column {match['column']}; there are {', '.join(columns)}")
        quoted = match["quoted"]
        value = match["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        column = columns[match["column"]]
        terms.append((column, match["op"], _value(column, match["op"], value)))
        position = match.end()
        if position == len(text):
            break
        joint = re.compile(r"AND\b").match(text, position)
        if joint is None:
            raise _bad_filter(f"at character {position + 1}: only AND may join comparisons")
        position = joint.end()
    return terms


def _value(column: Column[Item], op: str, text: str) -> Cell:
    if not column.number:
        if op not in {"=", "!=", ":"}:
            raise _bad_filter(f"text compares with =, != and :, not with {op}")
        return text
    if op == ":":
        raise _bad_filter("numbers compare with = != < <= > >=")
    try:
        return float(text)
    except ValueError:
        raise _bad_filter("a number is wanted here") from None


def _order(text: str, columns: Columns[Item]) -> list[tuple[Column[Item], bool]]:
    _bounded(text, "order_by", Reason.INVALID_ORDER_BY)
    order: list[tuple[Column[Item], bool]] = []
    for part in text.split(",") if text.strip() else []:
        name, *rest = part.split()[:3] or [""]
        if name not in columns or rest not in ([], ["asc"], ["desc"]):
            raise InvalidArgument(
                Reason.INVALID_ORDER_BY,
                Violation("order_by", f"write columns of {', '.join(columns)}, each with desc or nothing"),
            )
        order.append((columns[name], rest == ["desc"]))
    return order


def _bounded(text: str, field: str, reason: Reason) -> None:
    if len(text) > LONGEST:
        raise InvalidArgument(reason, Violation(field, f"at most {LONGEST} characters"))


def _bad_filter(description: str) -> InvalidArgument:
    return InvalidArgument(Reason.INVALID_FILTER, Violation("filter", description))
