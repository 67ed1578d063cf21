"""Values that bodies are lifted into, and what makes two of them equal.

A lifted value is a JSON value, with a few nodes for what JSON cannot say: :class:`Token`,
:class:`Repeated`, :class:`Element`, :class:`Chunk`, :class:`Opaque`. Python's own ``==`` is not our
equality, because to it ``True == 1``.

Numbers are exact: ``int`` and ``Decimal``, or ``int`` and ``float`` where both sides of a comparison
have numbers of at most 15 significant digits only, which no two doubles confuse and which are read
several times faster. The two sides of a pair are always lifted in the same of these two ways.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

Value = object
"""None, bool, int, float, Decimal, str, a list or a dict (string keys) of values, or a node below."""


@dataclass(frozen=True, slots=True)
class Token:
    """A number-like word that JSON has not (``NaN``, ``Infinity``); equal to the same word alone."""

    text: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """What an object has under one name that it gives several times, in order."""

    values: list[Value]


@dataclass(frozen=True, slots=True)
class Element:
    """An XML or HTML element: its members, and the names of its children in document order.

    Members are attributes (``@name``), texts (``#text``: a list, layout white space left out) and
    the child elements of each name (a list of Elements).
    """

    members: dict[str, Value]
    sequence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A length-delimited protobuf field without a schema: text, message or bytes, as both sides allow."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Opaque:
    """Bytes that nothing here can read: compared by length and digest."""

    length: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Opaque:
        """The length and digest of ``data``."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


TYPES: Final[dict[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    Decimal: "number",
    Token: "number",
    str: "string",
    list: "array",
    dict: "object",
    Repeated: "repeated member",
    Element: "element",
    Chunk: "bytes",
    Opaque: "bytes",
}
"""The type that counts for ``kind: type``: an integer and a decimal are both numbers."""


_ABSENT: Final = object()


def same(a: Value, b: Value) -> bool:
    """Whether two lifted values are equal: numbers by exact value, no boolean is ever a number."""
    if a is b:
        return True
    if isinstance(a, dict) and isinstance(b, dict):
        if len(a) != len(b):
            return False
        for key, left in a.items():
            right = b.get(key, _ABSENT)
            if left is right:
                continue
            # Most members are texts: no call for those.
            if left != right if type(left) is str else not same(left, right):
                return False
        return True
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    kind = type(a)
    if kind is not type(b):
        return a == b and TYPES.get(kind) == TYPES.get(type(b)) == "number"
    if isinstance(a, Repeated) and isinstance(b, Repeated):
        return same(a.values, b.values)
    if isinstance(a, Element) and isinstance(b, Element):
        return a.sequence == b.sequence and same(a.members, b.members)
    return a == b


def canonical(value: Value) -> str:
    """A text that two values share if and only if :func:`same` holds; ordered, so that ties can be broken."""
    parts: list[str] = []
    _canonical(value, parts)
    return "".join(parts)


def _canonical(value: Value, parts: list[str]) -> None:  # noqa: C901, PLR0912  (one row a type)
    match value:
        case str():
            parts.append(_quoted(value))
        case None | True | False:
            parts.append(repr(value))
        case int() | float() | Decimal():
            parts.append(number_text(value))
        case dict():
            parts.append("{")
            for key in sorted(value):
                parts.append(_quoted(key))
                _canonical(value[key], parts)
            parts.append("}")
        case list():
            parts.append("[")
            for item in value:
                _canonical(item, parts)
                parts.append(",")
            parts.append("]")
        case Token(text):
            parts.append(f"#{text};")
        case Repeated(values):
            parts.append("&")
            _canonical(values, parts)
        case Element(members, sequence):
            parts.append("<")
            _canonical(members, parts)
            _canonical(list(sequence), parts)
        case Chunk(data):
            parts.append(f"x{data.hex()};")
        case Opaque(length, sha256):
            parts.append(f"o{length}:{sha256};")
        case _:
            raise TypeError(f"{type(value).__name__} is not a lifted value")


def _quoted(text: str) -> str:
    # The length in front makes any text unambiguous without escaping.
    return f'"{len(text)}:{text}'


def exact(number: float | Decimal) -> Decimal:
    """A lifted number as the decimal that the body spelled."""
    # The shortest text that gives a double is the one that was read, if that had at most 15 digits.
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)


def number_text(number: float | Decimal) -> str:
    """One spelling for all spellings of a number: ``100``, ``1e2`` and ``100.0`` give the same text."""
    sign, digits, exponent = exact(number).as_tuple()
    if not isinstance(exponent, int):
        return f"n{number};"
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    if not kept:
        return "n0;"
    return f"n{'-' if sign else ''}{kept}e{exponent + len(text) - len(kept)};"


def printable(data: bytes) -> str | None:
    """The text that ``data`` is, None unless it is UTF-8 without control characters."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if all(char >= " " or char in "\t\r\n" for char in text) and "\x7f" not in text else None
