"""Equality, canonical texts and what differences keep of values."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from differ.core.pair_documents import encode, parse
from differ.core.shown import SHOWN_BYTES, shown
from differ.core.values import Chunk, Element, Opaque, Repeated, Token, Value, canonical, printable, same

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([2**70, -(2**70), 10**4000])
    | st.sampled_from([Decimal("1.0"), Decimal("0.10"), Decimal("1e2"), Decimal("-0"), Decimal("1e400")])
    | st.sampled_from(["", "a", "1", "\ud800", "\x00" * 300, "é" * 2_000])
    | st.sampled_from(
        [Token("NaN"), Chunk(b"a"), Chunk(b"\xff"), Chunk(b"\xff" * 40), Opaque.of(b"a"), Opaque.of(b"")]
    )
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "\ud800"]), inner, max_size=3)
        | st.lists(inner, min_size=2, max_size=3).map(Repeated)
        | st.builds(
            Element,
            st.dictionaries(st.sampled_from(["@a", "b"]), inner, max_size=2),
            st.lists(st.sampled_from(["b", "#text"]), max_size=2).map(tuple),
        )
    ),
    max_leaves=8,
)


@given(values, values)
def test_two_values_share_a_canonical_text_exactly_where_they_are_the_same(a: Value, b: Value) -> None:
    assert same(a, a)
    assert canonical(a) == canonical(a)
    assert (canonical(a) == canonical(b)) is same(a, b) is same(b, a)


@given(values)
def test_what_is_kept_is_json_of_bounded_size(value: Value) -> None:
    text = encode(shown(value))
    assert len(text) <= SHOWN_BYTES + 64
    parse(text, "value")


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1, Decimal("1.0"), True),
        (1, True, False),
        (0, False, False),
        (Decimal("1.0"), True, False),
        (0.5, 0.5, True),
        (1.0, 1, True),
        (1.0, True, False),
        ("1", 1, False),
        (None, False, False),
        ([True], [1], False),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {}, False),
        (Repeated([True]), Repeated([1]), False),
        (Element({"a": "1"}), Element({"a": "1"}, ("b",)), False),
        (Token("NaN"), Token("NaN"), True),
        (Token("NaN"), "NaN", False),
        (Chunk(b"a"), Opaque.of(b"a"), False),
    ],
)
def test_equality(a: Value, b: Value, equal: bool) -> None:
    assert same(a, b) is equal
    assert same(b, a) is equal
    assert (canonical(a) == canonical(b)) is equal


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (Decimal("0.1"), 0.1),
        (Decimal("0.10000000000000000001"), Decimal("0.10000000000000000001")),
        (Decimal("1e400"), "1E+400"),
        (Decimal("1e-400"), "1E-400"),
        (10**3000, f"integer of {(10**3000).bit_length()} bits"),
        ("\ud800", "\\ud800"),
        (Token("NaN"), "NaN"),
        (Chunk(b"text"), "text"),
        (Chunk(b"\xff"), {"hex": "ff"}),
        (Repeated([1, 2]), [1, 2]),
        (Element({"@a": "1"}, ()), {"@a": "1"}),
        (Opaque(3, "ab"), {"length": 3, "sha256": "ab"}),
    ],
)
def test_what_is_kept_of_a_value(value: Value, kept: object) -> None:
    assert shown(value) == kept
    assert type(shown(value)) is type(kept)


def test_what_is_no_lifted_value_is_a_fault_of_ours() -> None:
    with pytest.raises(TypeError):
        canonical(object())
    with pytest.raises(TypeError):
        shown(object())


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), (b"a\n", "a\n"), (b"\x00", None), (b"\x7f", None), (b"\xff", None), ("é".encode(), "é")],
)
def test_printable(data: bytes, text: str | None) -> None:
    assert printable(data) == text
