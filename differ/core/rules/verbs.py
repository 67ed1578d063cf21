"""What the verbs of rules mean: which differences each excuses.

============= ================================================== =======================================
verb          excuses, at the field                              and inside it
============= ================================================== =======================================
ignore        another value, another order, another scalar type  the same
within        another number or time, close enough               nothing
matches       another text of the same agreed form               nothing
same_type     another value of the same type                     the same
unordered     another order; pairs the elements                  nothing
additive      nothing (for a header: that it is new)             members that are new
expected      exactly the approved kind of difference            nothing
============= ================================================== =======================================

None of them excuses that something is missing or new, unless it says so: ``ignore`` by ``kinds``,
``additive`` and ``expected`` by what they are. An object or array in place of something else is a
change of structure too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Context, Decimal
from typing import Final, assert_never

from differ.core.model import Kind
from differ.core.paths import Part, Path
from differ.core.rules.linear import Expression
from differ.core.rules.pattern import Pattern
from differ.core.rules.spans import apart
from differ.core.shown import shown
from differ.core.values import Value, exact

MAX_TEXT: Final = 64 * 1024
"""Characters of a text that ``matches`` looks at; a longer one is not excused."""

VALUE_KINDS: Final = frozenset({Kind.VALUE, Kind.ORDER, Kind.TYPE})
"""What ``ignore`` excuses unless it names kinds."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """The value does not matter. ``kinds`` are those named in the rule, None for the usual ones."""

    kinds: frozenset[Kind] | None = None


@dataclass(frozen=True, slots=True)
class Unordered:
    """The order of an array's elements does not matter; ``key`` is the member that identifies one."""

    key: str | None = None


@dataclass(frozen=True, slots=True)
class Within:
    """Numbers or times may be apart by a bound. With both bounds given, meeting one of them is enough.

    Absolute: |a - b| <= absolute. Relative: |a - b| <= relative * max(|a|, |b|). Each is symmetric.
    """

    absolute: Decimal | None = None
    relative: Decimal | None = None
    span: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Matches:
    """Both texts are of one class: each matches at least one of the class's expressions.

    ``sources`` are the expressions as they were written; they, and not the automata, are what makes
    two of these equal.
    """

    sources: tuple[tuple[str, ...], ...]
    classes: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class SameType:
    """Any value of the type that the primary has."""


@dataclass(frozen=True, slots=True)
class Additive:
    """The shadow may have members that the primary has not."""


@dataclass(frozen=True, slots=True)
class Expected:
    """An intended change: a kind of difference, and where given the two values and the candidate."""

    kind: Kind
    values: tuple[object, object] | None = None
    candidate: str | None = None


Verb = Ignore | Unordered | Within | Matches | SameType | Additive | Expected


def name_of(verb: Verb) -> str:
    """The verb as rule files spell it."""
    match verb:
        case Ignore():
            return "ignore"
        case Unordered():
            return "unordered"
        case Within():
            return "within"
        case Matches():
            return "matches"
        case SameType():
            return "same_type"
        case Additive():
            return "additive"
        case Expected():
            return "expected"
        case _:
            assert_never(verb)


def kinds_of(verb: Verb) -> frozenset[Kind]:
    """The kinds of difference that a rule with this verb may excuse."""
    match verb:
        case Ignore(kinds):
            return VALUE_KINDS if kinds is None else kinds
        case Unordered():
            return frozenset({Kind.ORDER})
        case Within() | Matches() | SameType():
            return frozenset({Kind.VALUE})
        case Additive():
            return frozenset({Kind.EXTRA})
        case Expected(kind):
            return frozenset({kind})
        case _:
            assert_never(verb)


def reaches_inside(verb: Verb) -> bool:
    """Whether a rule with this verb is about what is inside its field too."""
    return isinstance(verb, Ignore | SameType | Additive)


def applies(verb: Verb, pattern: Pattern, path: Path) -> bool:
    """Whether a difference at ``path`` is one that a rule with this verb and field is about."""
    if isinstance(verb, Additive) and path.part is Part.BODY:
        # A new element of an array is no new member.
        return _is_member(path) and pattern.holds(path)
    return pattern.covers(path) if reaches_inside(verb) else pattern.matches(path)


def _is_member(path: Path) -> bool:
    return bool(path.steps) and isinstance(path.steps[-1], str)


def excuses(verb: Verb, kind: Kind, primary: Value, shadow: Value) -> bool:
    """Whether the verb excuses a difference at its field. Symmetric in the two values."""
    if kind not in kinds_of(verb):
        return False
    match verb:
        case Ignore(kinds):
            return kinds is not None or kind is not Kind.TYPE or not (_nested(primary) or _nested(shadow))
        case Within():
            return _within(verb, primary, shadow)
        case Matches(classes=classes):
            return _match(classes, _text(primary), _text(shadow))
        case SameType():
            return True
        case Expected(values=values):
            return values is None or (_is(primary, values[0]) and _is(shadow, values[1]))
        case Unordered() | Additive():
            return True
        case _:
            assert_never(verb)


def _is(value: Value, approved: object) -> bool:
    seen = shown(value)
    return seen == approved and isinstance(seen, bool) is isinstance(approved, bool)


def _nested(value: Value) -> bool:
    return not (value is None or isinstance(value, str | int | float | Decimal))


def _within(verb: Within, a: Value, b: Value) -> bool:
    if verb.span is not None:
        distance = apart(a, b)
        return distance is not None and distance <= verb.span
    left, right = _number(a), _number(b)
    if left is None or right is None:
        return False
    difference = _EXACT.subtract(left, right).copy_abs()
    if verb.absolute is not None and difference <= verb.absolute:
        return True
    largest = max(left.copy_abs(), right.copy_abs())
    return verb.relative is not None and difference <= _EXACT.multiply(verb.relative, largest)


_MAX_NUMBER: Final = 100
"""Digits and orders of magnitude of a number whose distance is taken: beyond it arithmetic is not cheap."""

_EXACT: Final = Context(prec=4 * _MAX_NUMBER)
"""Holds the difference of two such numbers, and its product with a bound, without rounding."""


def _number(value: Value) -> Decimal | None:
    if isinstance(value, str):
        # Prometheus and others write numbers as strings, to keep their digits.
        if len(value) > _MAX_NUMBER or not _NUMBER.fullmatch(value):
            return None
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, int) and value.bit_length() > 4 * _MAX_NUMBER:
        return None
    number = exact(value)
    small = abs(number.adjusted()) <= _MAX_NUMBER and len(number.as_tuple().digits) <= _MAX_NUMBER
    return number if small else None


_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)


def _text(value: Value) -> str | None:
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else None
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(shown(value))
    return None


def _match(classes: tuple[tuple[Expression, ...], ...], a: str | None, b: str | None) -> bool:
    if a is None or b is None:
        return False
    return any(
        any(expression.matches(a) for expression in expressions)
        and any(expression.matches(b) for expression in expressions)
        for expressions in classes
    )
