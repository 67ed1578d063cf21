"""Where two answers differ: typed paths. Text is for people, identity is the value.

A *path* names one exact place (``$.items[3].price``), the *field* is the same place with array
positions generalised (``$.items[*].price``) and is what differences are counted by. Text follows
RFC 9535 normalised paths where a name needs quotes, and shorthand (``.name``) where it does not.
"""

from __future__ import annotations

import re
from enum import Enum, StrEnum
from typing import Final

import msgspec


class Part(StrEnum):
    """Which part of a response a path is in."""

    STATUS = "status"
    HEADER = "header"
    TRAILER = "trailer"
    LATENCY = "latency"
    BODY = "body"


class _Each(Enum):
    EACH = "*"


EACH: Final = _Each.EACH
"""The step of a field that stands for every position of an array."""

Step = str | int | _Each
"""A member's name, an element's position (from 0), or EACH."""

_SHORTHAND = re.compile(r"[A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff][0-9A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff]*")


_SURROGATE = re.compile("[\ud800-\udfff]")


class Path(msgspec.Struct, frozen=True):
    """A place in a response: a part, the header's or trailer's name there, or steps into the body."""

    part: Part
    name: str = ""
    steps: tuple[Step, ...] = ()

    def generalised(self) -> Path:
        """The field this path belongs to: each position becomes EACH."""
        if not any(isinstance(step, int) for step in self.steps):
            return self
        return Path(
            self.part, self.name, tuple(EACH if isinstance(step, int) else step for step in self.steps)
        )

    def __str__(self) -> str:
        match self.part:
            case Part.BODY:
                return "$" + "".join(map(_step_text, self.steps))
            case Part.HEADER | Part.TRAILER:
                return f"{self.part}.{self.name}"
            case Part.STATUS | Part.LATENCY:
                return str(self.part)


def _step_text(step: Step) -> str:
    if isinstance(step, str):
        if _SHORTHAND.fullmatch(step):
            return f".{step}"
        escaped = "".join(_ESCAPES.get(char, char) for char in step)
        return f"['{_SURROGATE.sub(_spelled, escaped)}']"
    return f"[{step if isinstance(step, int) else '*'}]"


def _spelled(surrogate: re.Match[str]) -> str:
    # JSON can spell a lone surrogate, and no encoding can write it.
    return f"\\u{ord(surrogate[0]):04x}"


_ESCAPES: Final[dict[str, str]] = {
    "'": "\\'",
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
} | {chr(code): f"\\u{code:04x}" for code in range(0x20) if chr(code) not in "\b\t\n\f\r"}
