"""What never leaves the collector: the values of headers that carry credentials.

Works on header blocks (lines ``name: value`` joined by CR LF) as they came off the wire. The name
of a redacted header stays, so that its coming and going can still be compared; of a cookie that is
set, its name and attributes stay too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ALWAYS = frozenset(
    {"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "x-amz-security-token"}
)
"""Headers that are redacted whatever the settings say."""

MARK = b"<redacted>"

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token of RFC 9110 5.6.2


class Redaction:
    """Replaces the values of some headers. Further names come on top of ALWAYS.

    Raises ValueError naming the first text that cannot be a header's name.
    """

    def __init__(self, further: Iterable[str] = ()) -> None:
        names = set(ALWAYS)
        for name in further:
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of a header")
            names.add(name.lower())
        alternatives = "|".join(re.escape(name) for name in sorted(names - {"set-cookie"}))
        self._plain = re.compile(rf"^({alternatives}):[^\r\n]*".encode(), re.IGNORECASE | re.MULTILINE)
        # Name and attributes of a cookie are kept, its value is not.
        self._cookie = re.compile(rb"^(set-cookie: *[^=;\r\n]*)=[^;\r\n]*", re.IGNORECASE | re.MULTILINE)
        self._any = re.compile(rf"^(?:{alternatives}|set-cookie):".encode(), re.IGNORECASE | re.MULTILINE)

    def headers(self, block: bytes) -> bytes:
        """The block without secrets; the same object where it has none."""
        if self._any.search(block) is None:
            return block
        block = self._plain.sub(rb"\1: " + MARK, block)
        return self._cookie.sub(rb"\1=" + MARK, block)
