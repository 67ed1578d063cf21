"""Pairing the elements of arrays whose order does not count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from differ.core.alignment import Pair, identity_of, likeness
from differ.core.values import Value, canonical

MAX_DISTANCES: Final = 36
"""Distances that DeepDiff measures for one array, at about 2 ms each. Where more would be needed, our
own likeness pairs what is left."""

MAX_LIKENESSES: Final = 10_000
"""Likenesses measured for one array, about 50 ms. Where more would be needed, position pairs."""

MAX_CHARACTERS: Final = 20_000_000
"""Characters (of canonical texts) looked at to measure them, about half a second."""

MAX_ELEMENT: Final = 2_000
"""Characters of an element (in its canonical text) that DeepDiff is asked about; its time grows faster
than its input."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs of two arrays; ``reordered`` where elements that belong together changed places."""

    pairs: tuple[Pair, ...]
    reordered: bool


def pair_up(a: Sequence[Value], b: Sequence[Value], key: str | None) -> Pairing:
    """Pairs every element with its equal, or the element of the same key; what is left over with its like.

    Swapping the arguments swaps the pairs.
    """
    texts_a, texts_b = [canonical(item) for item in a], [canonical(item) for item in b]
    if texts_a <= texts_b:
        pairs = _pairs(a, b, texts_a, texts_b, key)
    else:
        pairs = [(i, j) for j, i in _pairs(b, a, texts_b, texts_a, key)]
    return Pairing(tuple(pairs), _crossed(pairs))


def _pairs(
    a: Sequence[Value], b: Sequence[Value], texts_a: list[str], texts_b: list[str], key: str | None
) -> list[Pair]:
    left_a, left_b = list(range(len(a))), list(range(len(b)))
    pairs: list[tuple[int, int]] = []
    if key is not None:
        keys_a, keys_b = [_key(item, key) for item in a], [_key(item, key) for item in b]
        pairs += _take(left_a, left_b, keys_a, keys_b)
        # An element without the key is matched as in an array without a key.
        free_a, free_b = [i for i in left_a if keys_a[i] is None], [j for j in left_b if keys_b[j] is None]
    else:
        free_a, free_b = left_a, left_b
    pairs += _take(free_a, free_b, texts_a, texts_b)
    pairs += _by_distance(a, b, free_a, free_b, texts_a, texts_b)
    pairs.sort()
    left_a, left_b = _without(range(len(a)), range(len(b)), pairs)
    return [*pairs, *((i, None) for i in left_a), *((None, j) for j in left_b)]


def _without(
    left_a: Sequence[int], left_b: Sequence[int], pairs: list[tuple[int, int]]
) -> tuple[list[int], list[int]]:
    """What is left without the elements of some pairs."""
    taken_a, taken_b = {i for i, _ in pairs}, {j for _, j in pairs}
    return [i for i in left_a if i not in taken_a], [j for j in left_b if j not in taken_b]


def _key(item: Value, name: str) -> str | None:
    if not isinstance(item, dict) or name not in item:
        return None
    return canonical(item[name])


def _take(
    left_a: list[int], left_b: list[int], keys_a: Sequence[str | None], keys_b: Sequence[str | None]
) -> list[tuple[int, int]]:
    """The pairs of equal keys, first with first; what they use is removed from what is left."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for j in reversed(left_b):
        key = keys_b[j]
        if key is not None:
            places[key].append(j)
    pairs: list[tuple[int, int]] = []
    for i in left_a:
        key = keys_a[i]
        if key is not None and places.get(key):
            pairs.append((i, places[key].pop()))
    left_a[:], left_b[:] = _without(left_a, left_b, pairs)
    return pairs


def _by_key(
    left_a: list[int], left_b: list[int], keys_a: list[Hashable], keys_b: list[Hashable]
) -> list[tuple[int, int]]:
    places = dict(zip(keys_b, left_b, strict=True))
    return [(i, places[key]) for i, key in zip(left_a, keys_a, strict=True) if key in places]


def _by_distance(
    a: Sequence[Value],
    b: Sequence[Value],
    left_a: list[int],
    left_b: list[int],
    texts_a: list[str],
    texts_b: list[str],
) -> list[tuple[int, int]]:
    """Greedily the nearest first; where they are too many to measure, first by what identifies an element."""
    combinations = len(left_a) * len(left_b)
    if combinations > MAX_DISTANCES:
        identity = identity_of([a[i] for i in left_a], [b[j] for j in left_b])
        if identity is not None:
            known = _by_key(left_a, left_b, *identity)
            rest_a, rest_b = _without(left_a, left_b, known)
            # At least one is known, so this comes to an end.
            return known + _by_distance(a, b, rest_a, rest_b, texts_a, texts_b)
    characters = len(left_b) * sum(len(texts_a[i]) for i in left_a)
    characters += len(left_a) * sum(len(texts_b[j]) for j in left_b)
    if combinations > MAX_LIKENESSES or combinations == 1 or characters > MAX_CHARACTERS:
        return list(zip(left_a, left_b, strict=False))
    measured = combinations <= MAX_DISTANCES and all(
        len(text) <= MAX_ELEMENT for text in (*(texts_a[i] for i in left_a), *(texts_b[j] for j in left_b))
    )
    ranked = sorted(
        (_distance(a[i], b[j]) if measured else 1 - likeness(a[i], b[j]), i, j)
        for i in left_a
        for j in left_b
    )
    pairs: list[tuple[int, int]] = []
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    for _, i, j in ranked:
        if i not in taken_a and j not in taken_b:
            taken_a.add(i)
            taken_b.add(j)
            pairs.append((i, j))
    return pairs


_GIVES_UP: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What DeepDiff is known, or may be feared, to raise on values that it was not made for."""


def _distance(a: Value, b: Value) -> float:
    """DeepDiff's distance, 0 for equal and 1 for nothing in common."""
    from deepdiff import DeepDiff  # takes 0.2 s to import, and most pairs need none of it

    try:
        found = DeepDiff(a, b, get_deep_distance=True).get("deep_distance", 0)
    except _GIVES_UP:
        return 1 - likeness(a, b)
    return float(found) if isinstance(found, int | float) else 1.0


def _crossed(pairs: list[Pair]) -> bool:
    places = sorted((i, j) for i, j in pairs if i is not None and j is not None)
    return any(before[1] > after[1] for before, after in pairwise(places))
