"""The walk over two lifted values, which finds every place in which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Final, Protocol

import msgspec

from differ.core.alignment import align
from differ.core.lifting.protobuf import MAX_DEPTH, joint
from differ.core.model import Kind
from differ.core.paths import Step
from differ.core.unordered import pair_up
from differ.core.values import TYPES, Chunk, Element, Repeated, Value, same

Steps = tuple[Step, ...]

Emit = Callable[[Steps, Kind, Value, Value], None]
"""Takes each difference: place, kind, the primary's value and the shadow's (None where absent)."""


class Order(Protocol):
    """How the elements of one array are to be paired where their order does not count."""

    @property
    def key(self) -> str | None:
        """The member that identifies an element; None pairs equal elements, then like ones."""


Ordering = Callable[[Steps], Order | None]
"""Which arrays are unordered: asked for each array that differs."""


class Equality(Enum):
    """How subtrees are found to be equal."""

    PYTHON = "python"
    """By ``==``: right, and quick, where no boolean is in either value."""

    TO_BE_CONFIRMED = "to be confirmed"
    """By ``==``, and all that it called equal is looked at once in the end, in one go."""

    EXACT = "exact"
    """By :func:`~differ.core.values.same`, node by node."""


_encode: Final = msgspec.json.Encoder(decimal_format="number", order="sorted").encode

MAX_ALIGNED_DEPTH: Final = 32
"""Levels down to which arrays are aligned; deeper ones are compared by position. Aligning looks at all
that is in an array, and an array within an array is looked at again at each level."""

_SCALARS: Final = frozenset({str, int, float, Decimal})

_ABSENT: Final = object()


def always_ordered(steps: Steps) -> None:
    """The ordering of no rules."""


class Walk:
    """Compares two values below a place in the body, and emits what differs.

    An element that both sides have stands at the primary's position, one that only the shadow has at
    the shadow's. ``equality`` says how subtrees are found to be equal.
    """

    __slots__ = ("_emit", "_equal", "_ordering", "_python", "_trusted")

    def __init__(
        self, emit: Emit, *, equality: Equality = Equality.EXACT, ordering: Ordering = always_ordered
    ) -> None:
        self._emit = emit
        self._ordering = ordering
        self._python = equality is not Equality.EXACT
        self._equal: Callable[[Value, Value], bool] = _python_equal if self._python else same
        self._trusted: tuple[list[Value], list[Value]] | None = None
        if equality is Equality.TO_BE_CONFIRMED:
            self._trusted = ([], [])

    def confirmed(self) -> bool:
        """Whether all that Python called equal is the same. If not, what was emitted is of no use."""
        primary, shadow = self._trusted or ([], [])
        return _encode(primary) == _encode(shadow)

    def _trust(self, a: Value, b: Value) -> None:
        if self._trusted is not None:
            self._trusted[0].append(a)
            self._trusted[1].append(b)

    def compare(self, a: Value, b: Value, steps: Steps = ()) -> None:
        """Emit every difference between ``a`` and ``b``, at ``steps``; nothing if and only if equal."""
        if isinstance(a, dict) and isinstance(b, dict):
            self._objects(a, b, steps)
        elif isinstance(a, list) and isinstance(b, list):
            self._arrays(a, b, steps)
        elif TYPES[type(a)] != TYPES[type(b)]:
            self._emit(steps, Kind.TYPE, a, b)
        elif isinstance(a, Repeated) and isinstance(b, Repeated):
            self._arrays(a.values, b.values, steps)
        elif isinstance(a, Element) and isinstance(b, Element):
            self._elements(a, b, steps)
        elif isinstance(a, Chunk) and isinstance(b, Chunk):
            self._chunks(a, b, steps)
        elif a != b:
            self._emit(steps, Kind.VALUE, a, b)

    def _objects(self, a: dict[str, Value], b: dict[str, Value], steps: Steps) -> None:
        if self._python and a == b:
            self._trust(a, b)
            return
        missing = 0
        for key, left in a.items():
            right = b.get(key, _ABSENT)
            # None, booleans and small integers are one object on both sides; most strings are not.
            if left is right:
                continue
            kind = type(left)
            if kind in _SCALARS and kind is type(right):
                if left != right:
                    self._emit((*steps, key), Kind.VALUE, left, right)
            elif right is _ABSENT:
                missing += 1
                self._emit((*steps, key), Kind.MISSING, left, None)
            else:
                self.compare(left, right, (*steps, key))
        if len(b) > len(a) - missing:
            for key, right in b.items():
                if key not in a:
                    self._emit((*steps, key), Kind.EXTRA, None, right)

    def _arrays(self, a: list[Value], b: list[Value], steps: Steps) -> None:
        if self._python and a == b:
            self._trust(a, b)
            return
        order = self._ordering(steps)
        if order is not None:
            self._unordered(a, b, steps, order)
            return
        equal = self._equal
        start, shortest = 0, min(len(a), len(b))
        while start < shortest and equal(a[start], b[start]):
            start += 1
        end = 0
        while end < shortest - start and equal(a[-1 - end], b[-1 - end]):
            end += 1
        if start or end:
            self._trust((a[:start], a[len(a) - end :]), (b[:start], b[len(b) - end :]))
        n, m = len(a) - start - end, len(b) - start - end
        if n == m == 1:
            self.compare(a[start], b[start], (*steps, start))
        elif n == 0 or m == 0 or len(steps) > MAX_ALIGNED_DEPTH:
            self._by_position(a, b, steps, start, n, m)
        else:
            self._aligned(a, b, steps, start, end)

    def _by_position(self, a: list[Value], b: list[Value], steps: Steps, start: int, n: int, m: int) -> None:
        for position in range(start, start + max(n, m)):
            i, j = position if position < start + n else None, position if position < start + m else None
            self._pair(a, b, steps, i, j)

    def _aligned(self, a: list[Value], b: list[Value], steps: Steps, start: int, end: int) -> None:
        alignment = align(a[start : len(a) - end], b[start : len(b) - end])
        if alignment.reordered:
            self._emit(steps, Kind.ORDER, a, b)
        for i, j in alignment.pairs:
            self._pair(a, b, steps, None if i is None else start + i, None if j is None else start + j)

    def _unordered(self, a: list[Value], b: list[Value], steps: Steps, order: Order) -> None:
        pairing = pair_up(a, b, order.key)
        if pairing.reordered:
            self._emit(steps, Kind.ORDER, a, b)
        for i, j in pairing.pairs:
            self._pair(a, b, steps, i, j)

    def _pair(self, a: list[Value], b: list[Value], steps: Steps, i: int | None, j: int | None) -> None:
        if i is not None and j is not None:
            self.compare(a[i], b[j], (*steps, i))
        elif i is not None:
            self._emit((*steps, i), Kind.MISSING, a[i], None)
        elif j is not None:
            self._emit((*steps, j), Kind.EXTRA, None, b[j])

    def _elements(self, a: Element, b: Element, steps: Steps) -> None:
        self._objects(a.members, b.members, steps)
        if a.sequence == b.sequence:
            return
        # Which children there are is said above; here it is about their order across names alone.
        in_a, in_b = Counter(a.sequence), Counter(b.sequence)
        kept = {name for name, count in in_a.items() if count == in_b[name]}
        moved = [name for name in a.sequence if name in kept] != [name for name in b.sequence if name in kept]
        # How often a text is broken by elements does not show in the text.
        broken = in_a["#text"] != in_b["#text"] and a.members.get("#text") == b.members.get("#text")
        if moved or broken:
            self._emit(steps, Kind.ORDER, list(a.sequence), list(b.sequence))

    def _chunks(self, a: Chunk, b: Chunk, steps: Steps) -> None:
        if a.data == b.data:
            return
        # Each message adds its field's number and a position to the place.
        left, right = (a, b) if len(steps) > 2 * MAX_DEPTH else joint(a.data, b.data)
        if isinstance(left, Chunk):
            self._emit(steps, Kind.VALUE, left, right)
        else:
            self.compare(left, right, steps)


def _python_equal(a: Value, b: Value) -> bool:
    return a == b
