"""Tokens that stand for values: equal values have equal tokens, and without the key none is found out.

HMAC-SHA256 over the value with its kind in front, cut to 64 bits: enough that two values of one field
never meet, too little to be worth anything else. Every collector of an installation has the same key.
"""

from __future__ import annotations

import hmac
from typing import Final

LEAST_KEY: Final = 16
"""Bytes that a key has at least."""


class Tokens:
    """Makes tokens. Raises ValueError where the key is too short to be one."""

    def __init__(self, key: bytes) -> None:
        if len(key) < LEAST_KEY:
            raise ValueError(f"a key for tokens has at least {LEAST_KEY} bytes")
        self._key = key

    def of(self, value: bytes, kind: bytes = b"") -> bytes:
        """ASCII, and safe inside a JSON string, a header's value and a URL's query but for its brackets."""
        return b"<token:" + hmac.digest(self._key, kind + b":" + value, "sha256")[:8].hex().encode() + b">"
