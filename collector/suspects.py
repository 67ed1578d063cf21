"""What looks personal: e-mail addresses, card numbers, tokens of identity. Counted, never shown."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from mirrordiff.v1.capture_pb2 import Capture

EVERY: Final = 16
"""One capture in so many is looked at: a leak shows within seconds, and costs next to nothing to find."""

_MOST_BYTES: Final = 64 * 1024

PATTERNS: Final = {
    "email": rb"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+",
    "card": rb"(?<![0-9.])[3-6](?:[ -]?[0-9]){12,18}(?![0-9.])",
    "jwt": rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
}
"""By kind. A card number is one only where its check digit is right, too."""

_EMAIL, _CARD, _JWT = (re.compile(pattern) for pattern in PATTERNS.values())


def luhn(digits: bytes) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B). Only digits are looked at."""
    total = 0
    for place, digit in enumerate(reversed([one - 48 for one in digits if 48 <= one <= 57])):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def kinds_in(text: bytes) -> set[str]:
    """What the text seems to have in it."""
    found = set()
    if b"@" in text and _EMAIL.search(text):
        found.add("email")
    if b"eyJ" in text and _JWT.search(text):
        found.add("jwt")
    if any(luhn(match[0]) for match in _CARD.finditer(text)):
        found.add("card")
    return found


class Suspects:
    """Counts captures, by kind, in which something looks personal."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.looked_at = 0
        self._passed = 0

    def pass_by(self, capture: Capture) -> None:
        """Look at one capture in ``EVERY``, as it will be stored."""
        self._passed += 1
        if self._passed % EVERY:
            return
        self.looked_at += 1
        bodies = capture.body[:_MOST_BYTES], capture.request_body[:_MOST_BYTES]
        heads = capture.path.encode(), capture.headers, capture.request_headers
        text = b"\n".join((*heads, *bodies))
        self.counts.update(kinds_in(text))
