"""Captured text for people: what would be unseen, or would change how text around it is shown, is made seen.

Escaping markup is the template's work; this is about characters that are harmless to a parser and
misleading to a reader: control characters (terminal colours among them), bidirectional overrides,
zero-width characters, lone surrogates.
"""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with each unseen character as a visible sign; line feeds and tabs stay.

    Holds: what comes out encodes as UTF-8 and has no control character but line feed and tab.
    """
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub(_sign, text)


def one_line(text: str) -> str:
    """As `visible`, and on one line: a log or a command stream reads the next line as something else."""
    return visible(text).replace("\n", "␊")


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # the block of control pictures: ␀ ␁ … ␛
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"
