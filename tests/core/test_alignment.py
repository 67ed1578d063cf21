"""Aligning arrays."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from differ.core.alignment import MAX_MATCHES, align, common
from differ.core.unordered import pair_up

short = st.lists(st.integers(0, 4), max_size=12)
values = st.lists(
    st.integers(0, 3)
    | st.text("ab", max_size=1)
    | st.dictionaries(st.sampled_from(["id", "x", "y"]), st.integers(0, 3), max_size=3),
    max_size=8,
)


def length_by_table(a: list[int], b: list[int]) -> int:
    """The length of a longest common subsequence, by the textbook."""
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a) - 1, -1, -1):
        for j in range(len(b) - 1, -1, -1):
            best[i][j] = 1 + best[i + 1][j + 1] if a[i] == b[j] else max(best[i + 1][j], best[i][j + 1])
    return best[0][0]


@given(short, short)
def test_the_common_subsequence_is_one_and_the_longest(a: list[int], b: list[int]) -> None:
    pairs = common(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(x[0] < y[0] and x[1] < y[1] for x, y in pairwise(pairs))
    assert len(pairs) == length_by_table(a, b)


@given(values, values)
def test_every_element_is_in_one_pair_and_swapping_swaps(a: list[object], b: list[object]) -> None:
    alignment = align(a, b)
    if alignment.pairs:
        assert sorted(i for i, _ in alignment.pairs if i is not None) == list(range(len(a)))
        assert sorted(j for _, j in alignment.pairs if j is not None) == list(range(len(b)))
    back = align(b, a)
    assert back.reordered is alignment.reordered
    assert sorted(((j, i) for i, j in back.pairs), key=repr) == sorted(alignment.pairs, key=repr)


@given(values, values, st.sampled_from([None, "id", "x"]))
def test_without_order_every_element_is_in_one_pair_too(
    a: list[object], b: list[object], key: str | None
) -> None:
    pairing = pair_up(a, b, key)
    assert sorted(i for i, _ in pairing.pairs if i is not None) == list(range(len(a)))
    assert sorted(j for _, j in pairing.pairs if j is not None) == list(range(len(b)))
    back = pair_up(b, a, key)
    assert sorted(((j, i) for i, j in back.pairs), key=repr) == sorted(pairing.pairs, key=repr)
    assert back.reordered is pairing.reordered


@given(values, st.randoms(use_true_random=False))
def test_a_shuffled_array_pairs_with_itself(a: list[object], draw: object) -> None:
    b = list(a)
    draw.shuffle(b)  # type: ignore[attr-defined]
    pairing = pair_up(a, b, None)
    assert all(i is not None and j is not None and a[i] == b[j] for i, j in pairing.pairs)


def test_long_arrays_of_few_values_are_thinned_and_still_aligned() -> None:
    a = [n % 3 for n in range(3_000)]
    b = [n % 3 for n in range(1, 3_001)]
    assert len(a) * len(b) / 3 > MAX_MATCHES
    pairs = common(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert len(pairs) > 2_900


def test_elements_without_the_key_or_with_one_twice_still_pair() -> None:
    a = [{"k": 1, "v": 1}, {"k": 1, "v": 2}, {"v": 3}]
    b = [{"v": 3}, {"k": 1, "v": 1}, {"k": 2, "v": 2}]
    assert set(pair_up(a, b, "k").pairs) == {(0, 1), (1, None), (None, 2), (2, 0)}


def test_many_that_changed_are_paired_by_what_identifies_them() -> None:
    a = [{"id": n, "at": n} for n in range(300)]
    b = [{"id": n, "at": -n} for n in reversed(range(5, 305))]
    pairs = pair_up(a, b, None).pairs
    assert all((i, 304 - i) in pairs for i in range(5, 300))
    assert sorted(i for i, j in pairs if i is not None and j is not None) == list(range(300))
