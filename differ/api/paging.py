"""Pages of a list: sizes, and opaque tokens that fit one request only.

A token holds a digest of the request's other parameters and where the next page begins: a position in
a list that is in memory, or the key of the last item seen, where a list is sorted by one and grows at
its head. With other parameters it is refused, since the list it was given out for is another one.
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
        size = self.most
        start = int.from_bytes(self._place(parameters), "big")
        page = tuple(items[start : start + size])
        end = start + len(page)
        token = _token(end.to_bytes(6, "big"), parameters) if page and end < len(items) else ""
        return Page(page, token, len(items))

    @property
    def most(self) -> int:
        """How many items the page has at most. Raises InvalidArgument for a negative size."""
        if self.size < 0:
            raise InvalidArgument(
                Reason.INVALID_PAGE_SIZE, Violation("page_size", "give 0 (the default) or more")
            )
        return min(self.size or DEFAULT_SIZE, LARGEST_SIZE)

    def behind(self, *parameters: str) -> str:
        """The key of the last item of the page before; empty for the first page.

        Raises InvalidArgument for a token of another request.
        """
        return self._place(parameters).decode("ascii", "replace")

    def keyed(self, items: Sequence[str], total: int, *parameters: str) -> Page[str]:
        """The page of keys that is asked for; ``items`` are those `behind`, one more if there is one."""
        page = tuple(items[: self.most])
        token = _token(page[-1].encode(), parameters) if len(page) < len(items) else ""
        return Page(page, token, total)

    def _place(self, parameters: tuple[str, ...]) -> bytes:
        if not self.token:
            return b""
        try:
            raw = urlsafe_b64decode(self.token.encode("ascii"))
        except (ValueError, binascii.Error):
            raw = b""
        digest = _digest(parameters)
        if not raw.startswith(digest) or len(raw) == len(digest):
            raise InvalidArgument(
                Reason.INVALID_PAGE_TOKEN,
                Violation("page_token", "give the token of the page before, with the same parameters"),
            )
        return raw[len(digest) :]


def _digest(parameters: tuple[str, ...]) -> bytes:
    return blake2b("\0".join(parameters).encode("utf-8", "surrogatepass"), digest_size=6).digest()


def _token(place: bytes, parameters: tuple[str, ...]) -> str:
    return urlsafe_b64encode(_digest(parameters) + place).decode()
