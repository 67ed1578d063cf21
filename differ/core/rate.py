"""Shares as they are shown: never 0 % or 100 % unless exactly so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_LEAST: Final = 0.00001


def percent(share: float) -> str:
    """A share as text for people, about three digits.

    Holds for shares in [0, 1]: prints ``0 %`` only for 0 and ``100 %`` only for 1. What is too close to
    tell prints as ``<0.001 %`` or ``>99.9 %``.
    """
    if share < 0:
        return f"-{percent(-share)}"
    if share == 0:
        return "0 %"
    if share < _LEAST:
        return "<0.001 %"
    if 0.999 < share < 1:
        return ">99.9 %"
    hundredths = share * 100
    digits = 3 if hundredths >= 10 else 2
    text = f"{hundredths:.{digits}g}"
    if "e" in text:
        text = f"{hundredths:.6f}".rstrip("0")
    return f"{text} %"


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` of ``total``: the number that is judged is the number that is shown."""

    count: int
    total: int

    @property
    def value(self) -> float | None:
        """The share in [0, 1]; None of nothing."""
        return self.count / self.total if self.total else None

    def __str__(self) -> str:
        """As `percent`; a dash of nothing. A share that only rounds to 0 or 1 does not print as such."""
        if not self.total:
            return "–"
        if 0 < self.count < self.total:
            return percent(min(max(self.count / self.total, _LEAST / 2), 0.9995))
        return percent(self.count / self.total)


@dataclass(frozen=True, slots=True)
class Interval:
    """Between which bounds a share, or a difference of shares, lies."""

    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{percent(self.lower)} – {percent(self.upper)}"
