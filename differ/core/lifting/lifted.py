"""What lifting a body gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from differ.core.values import Repeated, Value

MAX_DEPTH: Final = 128
"""Nesting that is compared. No API known to us goes beyond 30; the walk needs three Python frames a
level, and with this bound stays far from the interpreter's limit of 1,000."""

MAX_BYTES: Final = 12 * 1024 * 1024
"""A decoded body that is lifted. Captures are capped far below; what remains is a file given by hand
or a bomb, and its tree of Python values takes up to 30 times this."""


class Family(StrEnum):
    """A way to read bodies. Two bodies are compared when they are of one family."""

    JSON = "json"
    NDJSON = "ndjson"
    SSE = "sse"
    FORM = "form"
    XML = "xml"
    HTML = "html"
    TEXT = "text"
    GRPC = "grpc"
    OPAQUE = "opaque"


class Lifted(msgspec.Struct, frozen=True):
    """A body as a value.

    ``booleans`` tells whether true or false may be in it: where neither side has any, Python's own
    ``==`` is exact. ``trailing`` is what stood behind the value and does not belong to it. Two values
    with one ``encoded``, where it is not empty, are the same.
    """

    value: Value
    booleans: bool = True
    trailing: str = ""
    encoded: bytes = b""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a body could not be lifted.

    ``bound`` is set where it was not the body's fault: it is too large or too deep to be compared,
    or in an encoding that is not known here. Such a body is skipped; any other is read as text.
    """

    reason: str
    bound: bool = False


TOO_DEEP: Final = Unreadable(f"nested deeper than {MAX_DEPTH} levels", bound=True)
TOO_LARGE: Final = Unreadable(f"larger than {MAX_BYTES >> 20} MiB once decoded", bound=True)


def too_deep(value: Value) -> bool:
    """Whether a value of dicts and lists is nested beyond MAX_DEPTH. Level by level, so never recursive."""
    level: list[Value] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for parent in level
            for item in (parent.values() if isinstance(parent, dict) else _items(parent))
            if type(item) in _CONTAINERS
        ]
        if not level:
            return False
    return True


_CONTAINERS: Final = frozenset({dict, list, Repeated})


def _items(parent: Value) -> list[Value]:
    if isinstance(parent, list):
        return parent
    return parent.values if isinstance(parent, Repeated) else []
