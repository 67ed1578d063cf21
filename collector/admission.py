"""How much is let in while what is let out cannot keep up. Pure.

A share of the requests is admitted, by a hash of their pair key, so that all sides of a request are let
in or left out alike, by every collector that admits the same share. Shares are powers of a half: what is
admitted at one is admitted at every larger one too, so that a change of share parts few pairs.
"""

from __future__ import annotations

from typing import Final

HIGH: Final = 0.6
"""Above this fill the share is halved."""

LOW: Final = 0.3
"""Below this fill it is doubled."""

LEAST: Final = 6
"""Halvings at most: one request in 64 always gets in, or nobody would notice that there is room again."""

EVERY_S: Final = 1.0
"""How often the share may change: long enough to see what the last change did."""


class Admission:
    """The share, from how full the fullest store behind is (0 to 1)."""

    def __init__(self) -> None:
        self._halvings = 0
        self._changed = float("-inf")

    @property
    def share(self) -> float:
        """Of requests that are admitted."""
        return 1 / (1 << self._halvings)

    def learn(self, fill: float, now: float) -> None:
        """Take note of a fill, at a time in seconds."""
        if now - self._changed < EVERY_S:
            return
        if fill > HIGH and self._halvings < LEAST:
            self._halvings += 1
        elif fill < LOW and self._halvings:
            self._halvings -= 1
        else:
            return
        self._changed = now

    def admits(self, pair: bytes) -> bool:
        """Whether a request with this pair key (``collector.pairing``) is let in."""
        # The last digits: partitions are told by a hash of the whole, which these do not decide.
        return not self._halvings or int(pair[-4:], 16) >> (16 - self._halvings) == 0
