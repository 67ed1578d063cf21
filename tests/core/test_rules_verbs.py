"""Expressions, spans of time and bounds of numbers."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from differ.core.model import Kind
from differ.core.rules.linear import Expression, ExpressionError
from differ.core.rules.spans import apart, parse_span
from differ.core.rules.verbs import Within, excuses

atoms = st.sampled_from(
    [
        "a",
        "b",
        ".",
        "[ab]",
        "[^a]",
        "[a-c]",
        r"\d",
        r"\w",
        r"\.",
        r"\x61",
        "(a|b)",
        "(?:ab)",
        "()",
        r"[\]\d]",
        "[]a]",
    ]
)
counts = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?", "+?"])
expressions = st.recursive(
    st.tuples(atoms, counts).map("".join),
    lambda inner: (
        st.tuples(inner, inner).map("".join)
        | st.tuples(inner, inner).map("|".join)
        | st.tuples(inner.map("({})".format), counts).map("".join)
    ),
    max_leaves=5,
)


@given(expressions, st.text("ab.c0\n", max_size=6))
def test_an_expression_matches_what_pythons_own_matches(expression: str, text: str) -> None:
    assert Expression(expression).matches(text) is (re.fullmatch(expression, text) is not None)


@given(st.text("ab()[]{}|*+?\\^$.,1d-", max_size=8), st.text("ab", max_size=4))
def test_whatever_is_written_is_understood_as_python_does_or_refused(expression: str, text: str) -> None:
    try:
        ours = Expression(expression)
    except ExpressionError:
        return
    try:
        theirs = re.compile(expression)
    except re.error:
        pytest.fail(f"{expression!r} is no expression")
    assert ours.matches(text) is (theirs.fullmatch(text) is not None)


@pytest.mark.parametrize(
    "expression", ["(a+)+", "(a|a)*", "(a|aa)+", "(.*)(.*)(.*)(.*)(.*)x", "(a?){50}a{50}"]
)
def test_no_expression_takes_more_than_linear_time(expression: str) -> None:
    # Python's own needs longer than the universe has been there for the first of them.
    assert not Expression(expression).matches("a" * 20_000 + "!")


@pytest.mark.parametrize(
    "expression",
    [
        "[z-a]", "[", "[^]", "a{2,1}", "a{x}", "a**", "a+*", "*", "a)", "(a", "(?P<n>a)", "a^b", "a$b", "\\b",
        "\\1", "\\", "(" * 5_000, "(a{99}){99}", "{2}",
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(expression)


def test_what_is_remembered_is_bounded() -> None:
    expression = Expression("(.|\n)*x")
    text = "".join(map(chr, range(0x100, 0x3000)))
    assert expression.matches(text + "x")
    assert not expression.matches(text)


def test_case_is_ignored_where_asked() -> None:
    assert Expression("(?i)paid").matches("PaID")
    assert not Expression("paid").matches("PaID")


@pytest.mark.parametrize(
    ("a", "b", "seconds"),
    [
        ("2023-10-26T15:00:00", "2023-10-26T14:30:00", 1800),
        ("2023-10-26T15:00:00Z", "2023-10-26T15:00:00+00:00", 0),
        ("2023-10-26T15:00:00.250Z", "2023-10-26T15:00:00Z", 0.25),
        ("2023-10-26", "2023-10-25", 86400),
        ("Mon, 18 Jun 2018 11:46:23 GMT", "Mon, 18 Jun 2018 11:46:25 GMT", 2),
        ("15:35:37", "15:35:39", 2),
        ("23:59:59", "00:00:01", 2),
        ("P1D", "P1DT5S", 5),
        ("PT1H", "PT60M", 0),
        ("-PT1S", "PT1S", 2),
        (1761234567, 1761234569, 2),
        (Decimal("1761234567.5"), 1761234567, 0.5),
        (1761234567.5, 1761234567, 0.5),
        (Decimal("1e-999999"), 0, 0),
        (1761234567000, 1761234569000, 2),
        (1761234567000000, 1761234569000000, 2),
        (1761234567000000000, 1761234569000000000, 2),
    ],
)
def test_how_far_two_times_are_apart(a: object, b: object, seconds: float) -> None:
    assert apart(a, b) == apart(b, a) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("2023-10-26T15:00:00Z", "2023-10-26T15:00:00"),
        ("2023-10-26T15:00:00Z", "15:00:00"),
        ("P1D", "2023-10-26"),
        ("hello", "world"),
        ("P", "P"),
        ("1" * 100, "2"),
        (True, 1),
        (1, "1"),
        (1761234567, 1761234567000),
        (10**30, 10**30),
        (Decimal("1e999999"), 1761234567),
        (Decimal("-1e999999"), Decimal("1e999999")),
        (None, None),
        ("P" + "9" * 20 + "D", "P1D"),
    ],
)
def test_what_is_no_pair_of_times_is_not_taken_for_one(a: object, b: object) -> None:
    distance = apart(a, b)
    assert distance is None or distance > timedelta(days=365)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("250ms", 0.25), ("1.5h", 5400), ("PT30M", 1800), ("2 d", 172800)]
)
def test_spans(text: str, seconds: float) -> None:
    assert parse_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 y", "-5s", "P", "PT", "1e9s", "9" * 400 + "d"])
def test_what_is_no_span(text: str) -> None:
    assert parse_span(text) is None


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12)
bounds = st.decimals(min_value="0.000001", max_value=1000, places=6)


@given(numbers, numbers, bounds)
def test_a_number_is_within_exactly_its_bound(a: Decimal, b: Decimal, bound: Decimal) -> None:
    assert excuses(Within(absolute=bound), Kind.VALUE, a, b) is (abs(a - b) <= bound)
    assert excuses(Within(absolute=bound), Kind.VALUE, str(a), str(b)) is (abs(a - b) <= bound)


@given(numbers, numbers, st.decimals(min_value="0.001", max_value="0.999", places=3))
def test_a_relative_bound_is_symmetric(a: Decimal, b: Decimal, share: Decimal) -> None:
    assume(a != b)
    verb = Within(relative=share)
    assert excuses(verb, Kind.VALUE, a, b) is excuses(verb, Kind.VALUE, b, a)
    assert excuses(verb, Kind.VALUE, a, b) is (abs(a - b) <= share * max(abs(a), abs(b)))


@pytest.mark.parametrize(
    "value", [True, None, "", "1_000", "NaN", "inf", "0x10", "1" * 200, 10**200, Decimal("1e500"), []]
)
def test_what_is_no_number_is_within_no_bound(value: object) -> None:
    assert not excuses(Within(absolute=Decimal(10**9)), Kind.VALUE, value, 1)


@pytest.mark.parametrize("kind", [Kind.MISSING, Kind.EXTRA, Kind.TYPE, Kind.ORDER])
def test_a_rule_about_values_excuses_no_structure(kind: Kind) -> None:
    assert not excuses(Within(absolute=Decimal(1)), kind, 1, 1)
