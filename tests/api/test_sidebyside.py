"""Two bodies beside each other: aligned by meaning, folded, and nothing in them misleads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from differ.report.rows import Fold, Found, Mark, Row, Shown
from differ.report.sidebyside import MAX_ROWS, side_by_side
from differ.report.visible import visible


def flat(shown: Shown) -> list[Row]:
    """All rows, those in folds too."""
    return [row for part in shown.parts for row in (part.rows if isinstance(part, Fold) else (part,))]


def drawn(shown: Shown) -> list[str]:
    """The changed rows as text."""

    def text(cell: Any) -> str:
        return "" if cell is None else f"{cell.head}[{cell.core}]{cell.tail}".strip()

    return [
        f"{row.glyph} {text(row.left)} | {text(row.right)}"
        for row in flat(shown)
        if row.mark is not Mark.SAME
    ]


CASES = [
    ("a changed value", '{"a": 1, "b": 2}', '{"a": 1, "b": 3}', ['≠ "b": [2] | "b": [3]']),
    ("members in another order are the same", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}', []),
    ("numbers are compared by value", "[1.0, 10e-1, 2]", "[1, 1.00, 2.0]", []),
    ("a member gone", '{"a": 1, "b": 2}', '{"a": 1}', ['− ["b": 2] | ']),
    ("a member new", '{"a": 1}', '{"a": 1, "b": [1]}', ['+  | ["b": []', "+  | [1]", "+  | []]"]),
    ("an element inserted moves nothing", "[1, 2, 3]", "[0, 1, 2, 3]", ["+  | [0,]"]),
    ("another type", '{"a": 1}', '{"a": "1"}', ['≠ "a": [1] | "a": ["1"]']),
    ("null is no absence", '{"a": null}', "{}", ['− ["a": null] | ']),
    ("empty is a body", '{"a": 1}', "", ['− [{"a": 1}] | ']),
    ("text by lines", "a\nb\nc", "a\nc", ["− [b] | "]),
    ("members that come twice are both seen",
     '{"a": 1, "a": 2}', '{"a": 2}', ['≠ [{"a": 1, "a": 2}] | [{"a": 2}]']),
    (
        "of a long text only the part that differs is marked",
        json.dumps("x" * 30 + "1" + "y" * 10),
        json.dumps("x" * 30 + "22" + "y" * 10),
        [f'≠ "{"x" * 30}[1]{"y" * 10}" | "{"x" * 30}[22]{"y" * 10}"'],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("left", "right", "rows"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_differs(left: str, right: str, rows: list[str]) -> None:
    assert drawn(side_by_side(left, right, {})) == rows


def test_each_line_says_what_it_was_found_to_be() -> None:
    found = {
        "$.at": Found("noise", "value", "a clock"),
        "$.old": Found("ignored", "missing", "agreed"),
        "$.total": Found("regression", "value"),
    }
    shown = side_by_side('{"at": 1, "old": 1, "total": 1}', '{"at": 2, "total": 2}', found)
    assert [(row.glyph, row.note) for row in flat(shown) if row.mark is not Mark.SAME] == [
        ("~", "a clock"), ("·", "agreed"), ("≠", ""),
    ]  # fmt: skip


def test_a_finding_about_a_whole_covers_its_parts() -> None:
    shown = side_by_side('{"a": {"b": 1}}', '{"a": {}}', {"$.a": Found("ignored", "value", "all of it")})
    assert {row.disposition for row in flat(shown) if row.mark is not Mark.SAME} == {"ignored"}


def test_unchanged_runs_are_folded_around_a_change() -> None:
    left = {f"k{n:03}": n for n in range(100)}
    shown = side_by_side(json.dumps(left), json.dumps({**left, "k050": -1}), {})
    folds = [part for part in shown.parts if isinstance(part, Fold)]
    assert [fold.count for fold in folds] == [48, 47]
    assert len(shown.parts) == 2 + 3 + 1 + 3


def test_long_bodies_are_cut() -> None:
    shown = side_by_side(json.dumps(list(range(20_000))), json.dumps(list(range(1, 20_001))), {})
    assert shown.cut
    assert len(flat(shown)) <= MAX_ROWS


def test_nesting_beyond_the_stack_is_shown_as_text() -> None:
    deep = "[" * 50_000 + "]" * 50_000
    assert len(drawn(side_by_side(deep, deep + " ", {}))) == 1


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_equal_bodies_have_no_marks(value: object) -> None:
    assert drawn(side_by_side(json.dumps(value), json.dumps(value, indent=1), {})) == []


@given(st.text() | values.map(json.dumps), st.text() | values.map(json.dumps))
def test_whatever_comes_is_shown_and_harmless(left: str, right: str) -> None:
    for row in flat(side_by_side(left, right, {})):
        for cell in (row.left, row.right):
            if cell is not None:
                shown = cell.head + cell.core + cell.tail
                assert shown == visible(shown)
                assert "\n" not in shown


@given(st.text())
def test_what_is_made_visible_is_visible(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    shown.encode()
    assert all(char in "\n\t" or char >= " " for char in shown)
