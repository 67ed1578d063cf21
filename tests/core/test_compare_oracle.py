"""Against DeepDiff, an implementation that shares nothing with ours, where the two mean the same."""

from __future__ import annotations

from decimal import Context

from deepdiff import DeepDiff
from hypothesis import given
from hypothesis import strategies as st

from differ.core.compare import Where, compare
from differ.core.model import Kind, Result
from differ.core.rules import NO_RULES
from tests.core.strategies import Number, answer, json_values, spelled

EXACT = Context(prec=100)


def as_python(value: object) -> object:
    """A value as the oracle sees it.

    Numbers as exact texts, since it rounds them and cannot compare the largest; booleans apart from
    numbers, since to it True is 1.
    """
    if isinstance(value, Number):
        return ("number", str(value.value.normalize(EXACT) if value.value else 0))
    if isinstance(value, bool):
        return ("boolean", str(value))
    if isinstance(value, list):
        return [as_python(item) for item in value]
    if isinstance(value, dict):
        return {key: as_python(item) for key, item in value.items()}
    return value


def oracle_says_same(left: object, right: object) -> bool:
    return not DeepDiff(as_python(left), as_python(right))


@given(json_values, json_values)
def test_same_or_different_agrees_with_deepdiff(left: object, right: object) -> None:
    outcome = compare(answer(spelled(left)), answer(spelled(right)), NO_RULES, Where("s", "e"))
    assert (outcome.result is Result.SAME) is oracle_says_same(left, right)


@given(json_values, st.data())
def test_one_change_within_a_document_is_seen_by_both(value: object, data: st.DataObject) -> None:
    other = data.draw(json_values)
    left, right = {"a": [value, 1], "b": value}, {"a": [value, 1], "b": other}
    outcome = compare(answer(spelled(left)), answer(spelled(right)), NO_RULES, Where("s", "e"))
    assert (outcome.result is Result.SAME) is oracle_says_same(left, right)
    assert all(str(finding.difference.path).startswith("$.b") for finding in outcome.findings)


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_an_order_is_found_exactly_where_the_elements_are_the_same(a: list[int], b: list[int]) -> None:
    outcome = compare(answer(str(a)), answer(str(b)), NO_RULES, Where("s", "e"))
    kinds = [finding.difference.kind for finding in outcome.findings]
    reordered = not DeepDiff(a, b, ignore_order=True, report_repetition=True) and a != b
    # Two elements of which one changed, at one place, are a change there and no order.
    assert (kinds == [Kind.ORDER]) is reordered


def test_the_oracle_has_the_precision_that_it_needs() -> None:
    assert not oracle_says_same(Number("9007199254740993"), Number("9007199254740992"))
    assert oracle_says_same(Number("1e0"), Number("1"))
    assert not oracle_says_same(Number("1e400"), Number("2e400"))
