"""Pages of a list that is in memory: sizes, and opaque tokens that fit one request only.

A token holds the position and a digest of the request's other parameters. With other parameters it
is refused, since the list it counted in is another one.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, TypeVar

from differ.api.errors import InvalidArgument, Reason, Violation

DEFAULT_SIZE: Final = 50
LARGEST_SIZE: Final = 1000

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of a list; ``next_token`` is empty on the last page, ``total`` counts the whole list."""

    items: tuple[Item, ...]
    next_token: str
    total: int


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a caller asks for. Size 0 is the default; above the largest, the largest is given."""

    size: int = 0
    token: str = ""

    def cut(self, items: Sequence[Item], *parameters: str) -> Page[Item]:
        """The page of ``items`` that is asked for; ``parameters`` are all else that was asked.

        Raises InvalidArgument for a negative size and for a token of another request.
        """
        if self.size < 0:
            raise InvalidArgument(
                Reason.INVALID_PAGE_SIZE, Violation("page_size", "give 0 (the default) or more")
            )
        size = min(self.size or DEFAULT_SIZE, LARGEST_SIZE)
        digest = _digest(parameters)
        start = _position(self.token, digest)
        page = tuple(items[start : start + size])
        end = start + len(page)
        return Page(page, _token(end, digest) if page and end < len(items) else "", len(items))


def _digest(parameters: tuple[str, ...]) -> bytes:
    return blake2b("\0".join(parameters).encode("utf-8", "surrogatepass"), digest_size=6).digest()


def _token(position: int, digest: bytes) -> str:
    return urlsafe_b64encode(digest + position.to_bytes(6, "big")).decode()


def _position(token: str, digest: bytes) -> int:
    if not token:
        return 0
    try:
        raw = urlsafe_b64decode(token.encode("ascii"))
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 12 or raw[:6] != digest:
        raise InvalidArgument(
            Reason.INVALID_PAGE_TOKEN,
            Violation("page_token", "give the token of the page before, with the same parameters"),
        )
    return int.from_bytes(raw[6:], "big")
