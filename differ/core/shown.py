"""Values as they are kept in differences: JSON, capped in size, readable."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from differ.core.values import Chunk, Element, Opaque, Repeated, Token, Value, printable

SHOWN_BYTES: Final = 1024
"""How much JSON text of a value a difference keeps: enough to read, little enough for a page of them."""

_PLAIN = msgspec.json.Encoder(decimal_format="number")


def shown(value: Value) -> object:
    """A JSON value that stands for ``value`` in a difference.

    It is the value itself where its JSON text has at most SHOWN_BYTES bytes, and otherwise a string
    with the head of it and its size. A Decimal is kept where no float has the same value, and is a
    string where it is beyond all floats.
    """
    kind = type(value)
    if value is None or kind is bool or kind is float or (kind is str and _shows_as_it_is(str(value))):
        return value
    plain = _plain(value, _Budget(SHOWN_BYTES))
    text = _PLAIN.encode(plain)
    if len(text) <= SHOWN_BYTES:
        return plain
    if isinstance(value, str) and isinstance(plain, str):
        return f"{_head(plain)}… ({len(value)} characters)"
    return f"{_head(text.decode())}… ({_size(value)})"


def _shows_as_it_is(text: str) -> bool:
    # Escaped, a character takes six bytes at most.
    return len(text) < SHOWN_BYTES // 6 and text.isascii()


def _head(text: str) -> str:
    # The mark and the size behind it need some room, and a character may take six bytes escaped.
    head = text[: SHOWN_BYTES // 2]
    while len(_PLAIN.encode(head)) > SHOWN_BYTES - 64:
        head = head[: len(head) * 3 // 4]
    return head


def _size(value: Value) -> str:
    match value:
        case list():
            return f"{len(value)} elements"
        case dict():
            return f"{len(value)} members"
        case _:
            return "cut"


_WIDEST: Final = 300
"""Orders of magnitude of a number that is kept as one; most parsers of JSON refuse what no double holds."""


class _Budget:
    """How much more of a value is worth rendering: what is cut away anyway is not walked."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


def _plain(value: Value, budget: _Budget) -> object:  # noqa: C901, PLR0912  (one row a type)
    budget.left -= 2
    match value:
        case str():
            text = value if len(value) <= SHOWN_BYTES else value[: SHOWN_BYTES + 1]
            budget.left -= len(text)
            return text.encode(errors="backslashreplace").decode()
        case None | bool() | float():
            return value
        case int():
            # Beyond this many digits Python refuses to print an int.
            return value if value.bit_length() < 8 * SHOWN_BYTES else f"integer of {value.bit_length()} bits"
        case Decimal():
            if value and abs(value.adjusted()) > _WIDEST:
                return str(value)
            number = float(value)
            return number if Decimal(repr(number)) == value else value
        case dict():
            members: dict[str, object] = {}
            for key, item in value.items():
                if budget.left < 0:
                    break
                members[str(_plain(key, budget))] = _plain(item, budget)
            return members
        case list() | tuple():
            items: list[object] = []
            for item in value:
                if budget.left < 0:
                    break
                items.append(_plain(item, budget))
            return items
        case Token(text):
            return text
        case Repeated(values):
            return _plain(values, budget)
        case Element(members_):
            return _plain(members_, budget)
        case Chunk(data):
            return _chunk(data, budget)
        case Opaque(length, sha256):
            return {"length": length, "sha256": sha256}
        case _:
            raise TypeError(f"{type(value).__name__} is not a lifted value")


def _chunk(data: bytes, budget: _Budget) -> object:
    text = printable(data)
    if text is not None:
        return _plain(text, budget)
    if len(data) <= 32:
        return {"hex": data.hex()}
    return _plain(Opaque.of(data), budget)
