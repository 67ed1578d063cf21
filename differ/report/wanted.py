"""What of a session a page shows: its address says it all, so that every state has a link."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Wanted:
    """``show`` is a group of endpoints, ``find`` a part of their names, ``endpoint`` the id of one alone.

    ``page`` is of the endpoints listed, or of the fields of the one. ``example`` is the place among those
    of ``signature``. Numbers count from 1.
    """

    show: str = ""
    find: str = ""
    endpoint: str = ""
    page: int = 1
    signature: str = ""
    example: int = 1

    def link(self, anchor: str = "", **changes: object) -> str:
        """The address of the page with some of it changed. What is as it is unasked is left out."""
        values = {each.name: getattr(self, each.name) for each in fields(self)} | changes
        query = {name: value for name, value in values.items() if value not in _UNASKED}
        return f"?{urlencode(query)}{anchor and f'#{anchor}'}"

    def listing(self, **changes: object) -> str:
        """The address of another list of endpoints: from its first page on, with its own first example."""
        unasked = {"endpoint": "", "page": 1, "signature": "", "example": 1}
        return self.link("endpoints", **(unasked | changes))


_UNASKED: Final = ("", 1)
