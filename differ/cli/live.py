"""What ``up`` shows on a terminal while it runs: the verdict and what was found, in place, as it changes."""

from __future__ import annotations

import os
import shutil
import time
from typing import Final, TextIO

from differ.cli import Unreachable
from differ.cli.asking import Asker
from differ.cli.client import Json
from differ.cli.comparison_text import wants_colour
from differ.cli.verdict_text import verdict_text

EVERY_S: Final = 1.0
"""How often it is looked whether something has changed."""

_ERASE: Final = "\x1b[J"
"""ECMA-48 ED: from the cursor to the end of the screen."""


def wants_live(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which lines can be drawn anew."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class LiveView:
    """Draws below what stands on a terminal, and over what it has drawn itself; never more than fits."""

    def __init__(self, ask: Asker, stream: TextIO) -> None:
        self._ask = ask
        self._stream = stream
        self._looked = float("-inf")
        self._etag = ""
        self._drawn = 0

    def refresh(self) -> None:
        """Draw what has changed, if it is time to look. An API that does not answer changes nothing."""
        if time.monotonic() - self._looked < EVERY_S:
            return
        try:
            document = self._ask.located(self._ask.once())
            if document.get("etag") != self._etag:
                self._draw(document)
                self._etag = str(document.get("etag"))
        except Unreachable:
            pass
        self._looked = time.monotonic()

    def _draw(self, document: Json) -> None:
        columns, rows = shutil.get_terminal_size()
        text = verdict_text(document, self._ask.signatures(document), colour=wants_colour(self._stream))
        # The cursor has a line of its own below, and a line that is too long would take two.
        lines = [clipped(line, columns - 1) for line in text.splitlines()][: max(1, rows - 2)]
        up = f"\x1b[{self._drawn}F" if self._drawn else "\n"
        self._stream.write(up + _ERASE + "\n".join(lines) + "\n")
        self._stream.flush()
        self._drawn = len(lines)


def clipped(line: str, columns: int) -> str:
    """The line cut to what fits, and its colour ended."""
    start, coloured, rest = line.partition("m") if line.startswith("\x1b[") else ("", "", line)
    shown = rest.removesuffix("\x1b[0m")
    cut = shown if len(shown) <= columns else shown[: max(0, columns - 1)] + "…"
    return start + coloured + cut + ("\x1b[0m" if coloured else "")
