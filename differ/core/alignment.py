"""Which elements of two arrays belong together.

The longest common subsequence gives the shortest edit script, so one inserted element is one
`extra` and not a tail of changes. What the script leaves over between two common elements is paired
by what identifies an element, by likeness, or by position, in that order. All of it is bounded, and
swapping the arguments swaps the answer: ties are broken on a canonical orientation of the two.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from differ.core.values import Value, canonical, same

Pair = tuple[int | None, int | None]
"""Positions in the two arrays that belong together; None on the side that has nothing."""

MAX_MATCHES: Final = 200_000
"""Equal pairs that the exact script considers, about 0.2 s. More (long arrays of few distinct
values) are thinned to those near the diagonal: the script is then short, if not always the shortest."""

NEAR: Final = 8
"""Equal pairs per element that are left where they are thinned."""

MAX_LIKENESS: Final = 256
"""Pairs whose likeness is measured in one gap, about a millisecond. Larger gaps are paired by position."""

IDENTITIES: Final = ("id", "_id", "ID", "Id", "uuid", "uid", "guid", "key", "code", "sku", "name")
"""Members that usually tell which element this is, tried before any other."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """The pairs of two arrays in order of position, and whether the same elements merely changed places."""

    pairs: tuple[Pair, ...]
    reordered: bool = False


def align(a: Sequence[Value], b: Sequence[Value]) -> Alignment:
    """Which elements of two arrays belong together.

    ``reordered`` means that every element has its twin and they are not in the same order: by equality
    (then there are no pairs), or by a member that identifies each (then the pairs may differ within).
    """
    identity = identity_of(a, b)
    if identity is not None:
        keys_a, keys_b = identity
    else:
        keys_a, keys_b = [canonical(item) for item in a], [canonical(item) for item in b]
    if keys_a == keys_b:
        return Alignment(tuple((i, i) for i in range(len(a))))
    if len(a) == len(b) and Counter(keys_a) == Counter(keys_b):
        if identity is None:
            return Alignment((), reordered=True)
        places = {key: j for j, key in enumerate(keys_b)}
        return Alignment(tuple((i, places[key]) for i, key in enumerate(keys_a)), reordered=True)
    # Identifying members are strings and integers, which have no order between them: the text has.
    if list(map(repr, keys_a)) <= list(map(repr, keys_b)):
        return Alignment(tuple(_pairs(a, b, keys_a, keys_b)))
    return Alignment(tuple((i, j) for j, i in _pairs(b, a, keys_b, keys_a)))


def _pairs(
    a: Sequence[Value], b: Sequence[Value], keys_a: Sequence[Hashable], keys_b: Sequence[Hashable]
) -> list[Pair]:
    pairs: list[Pair] = []
    i = j = 0
    for matched_i, matched_j in [*common(keys_a, keys_b), (len(a), len(b))]:
        pairs += [
            (None if x is None else i + x, None if y is None else j + y)
            for x, y in _gap(a[i:matched_i], b[j:matched_j])
        ]
        if matched_i < len(a):
            pairs.append((matched_i, matched_j))
        i, j = matched_i + 1, matched_j + 1
    return pairs


def common(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """A longest common subsequence as pairs of positions (Hunt and Szymanski, 1977).

    Exact while equal pairs number at most MAX_MATCHES. O((r + n) log n) for r equal pairs.
    """
    places: dict[Hashable, list[int]] = {}
    for j, key in enumerate(b):
        places.setdefault(key, []).append(j)
    matches = sum(len(places.get(key, ())) for key in a)
    scale = len(b) / max(1, len(a))
    ends: list[int] = []  # ends[k]: the smallest position in b at which a common run of length k + 1 can end
    chains: list[tuple[int, int, object]] = []
    for i, key in enumerate(a):
        found = places.get(key)
        if found is None:
            continue
        if matches > MAX_MATCHES:
            middle = bisect_left(found, int(i * scale))
            found = found[max(0, middle - NEAR // 2) : middle + NEAR // 2]
        for j in reversed(found):
            k = bisect_left(ends, j)
            chain = (i, j, chains[k - 1] if k else None)
            if k == len(ends):
                ends.append(j)
                chains.append(chain)
            elif j < ends[k]:
                ends[k] = j
                chains[k] = chain
    result: list[tuple[int, int]] = []
    link: object = chains[-1] if chains else None
    while isinstance(link, tuple):
        result.append((link[0], link[1]))
        link = link[2]
    result.reverse()
    return result


def identity_of(a: Sequence[Value], b: Sequence[Value]) -> tuple[list[Hashable], list[Hashable]] | None:
    """The values of a member that tells the objects of both arrays apart and that most of them share."""
    first_a, first_b = (a[0] if a else None), (b[0] if b else None)
    if not isinstance(first_a, dict) or not isinstance(first_b, dict):
        return None
    shared = first_a.keys() & first_b.keys()
    best: tuple[int, list[Hashable], list[Hashable]] | None = None
    for name in [*(name for name in IDENTITIES if name in shared), *sorted(shared.difference(IDENTITIES))]:
        keys_a, keys_b = _keys(a, name), _keys(b, name)
        if keys_a is None or keys_b is None:
            continue
        overlap = len(set(keys_a).intersection(keys_b))
        if overlap == min(len(a), len(b)):
            return keys_a, keys_b
        if best is None or overlap > best[0]:
            best = overlap, keys_a, keys_b
    # Fewer than half in common: the member is as likely a value that changes everywhere.
    if best is None or best[0] * 2 < min(len(a), len(b)):
        return None
    return best[1], best[2]


def _keys(items: Sequence[Value], name: str) -> list[Hashable] | None:
    """The member ``name`` of every item, None unless each has it, as a string or integer of its own."""
    keys: list[Hashable] = []
    for item in items:
        if not isinstance(item, dict):
            return None
        key = item.get(name)
        if type(key) is not str and type(key) is not int:
            return None
        keys.append(key)
    return keys if len(set(keys)) == len(keys) else None


def _gap(a: Sequence[Value], b: Sequence[Value]) -> list[Pair]:
    """Pairs of what has no equal on the other side; never more `missing` or `extra` than the lengths need."""
    if len(a) == len(b) == 1 or not a or not b or len(a) * len(b) > MAX_LIKENESS:
        return _by_position(len(a), len(b))
    if len(a) == len(b) and not any(isinstance(item, dict | list) for item in (*a, *b)):
        return _by_position(len(a), len(b))
    return _by_likeness(a, b)


def _by_position(n: int, m: int) -> list[Pair]:
    paired = min(n, m)
    return [
        *((k, k) for k in range(paired)),
        *((k, None) for k in range(paired, n)),
        *((None, k) for k in range(paired, m)),
    ]


def _by_likeness(a: Sequence[Value], b: Sequence[Value]) -> list[Pair]:
    """The order-preserving pairing of as many elements as possible with the greatest likeness."""
    n, m = len(a), len(b)
    # Pairing at all outweighs every likeness, hence the 1 in front of a share below 1.
    score = [[1 + likeness(x, y) for y in b] for x in a]
    best = [[0.0] * (m + 1) for _ in range(n + 1)]
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            best[i][j] = max(best[i + 1][j + 1] + score[i][j], best[i + 1][j], best[i][j + 1])
    pairs: list[Pair] = []
    i = j = 0
    while i < n and j < m:
        if best[i][j] == best[i + 1][j + 1] + score[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    return [*pairs, *((k, None) for k in range(i, n)), *((None, k) for k in range(j, m))]


def likeness(a: Value, b: Value) -> float:
    """How alike two values are, at least 0 and below 1: the share of members that are equal, for objects."""
    if isinstance(a, dict) and isinstance(b, dict):
        names = len(a.keys() | b.keys())
        shared = a.keys() & b.keys()
        equal = sum(same(a[name], b[name]) for name in shared)
        return (equal + 0.25 * len(shared)) / (1.25 * names + 1)
    if isinstance(a, list) and isinstance(b, list):
        longest = max(len(a), len(b))
        return sum(map(same, a, b)) / (longest + 1)
    return 0.1 if type(a) is type(b) else 0.0
