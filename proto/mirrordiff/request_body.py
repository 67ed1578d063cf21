"""How requests are told apart by their bodies, whichever way their captures come.

A sender that cannot hash need ship no more than the head of a body and its length, whatever that is. The
price: two bodies of one length that differ beyond the head only are taken for the same.
"""

from __future__ import annotations

import hashlib
from typing import Final

HASHED: Final = 65_536
"""Bytes of a body that take part in its hash."""


def body_hash(head: bytes, size: int) -> str:
    """SHA-256, in hexadecimal, of the first HASHED bytes of a body followed by its length in decimal.

    ``head`` has these bytes at least, or all of the body. Empty for a request without a body.
    """
    if not size:
        return ""
    return hashlib.sha256(head[:HASHED] + b"%d" % size).hexdigest()
