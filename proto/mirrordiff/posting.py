"""Posts documents to a collector (``POST /v1/captures``), for senders that have the standard library alone.

A post is short enough for every collector. What the collector has no room for is sent again after as long
as it asks for (``Retry-After``); a document with an ``id`` counts once, however often it arrives.
"""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

MOST_LINES: Final = 100
"""Documents in a post: as many errors as one answer lists, so that each refused document is known."""

MOST_BYTES: Final = 8 * 1024**2
"""Bytes of a post, unpacked, unless one document has more: a quarter of what a collector takes by default."""

_LONGEST_WAIT_S: Final = 10
_LONGEST_ANSWER: Final = 1024**2


@dataclass(frozen=True)
class Outcome:
    """What became of the documents of one post."""

    accepted: int
    errors: dict[int, str]
    """Why a document was refused for good, by its place from 0."""
    failure: str = ""
    """Why the others were given up."""


def in_posts(documents: Iterable[object]) -> Iterator[list[bytes]]:
    """The documents in order, as lines, in as few posts as the limits above allow."""
    lines: list[bytes] = []
    size = 0
    for document in documents:
        line = json.dumps(document).encode()
        if lines and (len(lines) == MOST_LINES or size + len(line) > MOST_BYTES):
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    if lines:
        yield lines


class Poster:
    """Posts to one collector. ``patience_s`` bounds, in seconds, for how long one post is repeated.

    ``while_away`` says whether it is where the collector does not answer at all, and not only where it has
    no room. Raises ValueError where ``collector`` is not a URL of http or https.
    """

    def __init__(self, collector: str, *, patience_s: float, while_away: bool, timeout_s: float = 5) -> None:
        url = urlsplit(collector)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if url.scheme not in kinds or not url.hostname:
            raise ValueError(f"{collector} is not a URL of a collector")
        self._connected = kinds[url.scheme]
        self._address = url.hostname, url.port
        self._path = f"{url.path.rstrip('/')}/v1/captures"
        self._patience_s = patience_s
        self._while_away = while_away
        self._timeout_s = timeout_s

    def post(self, lines: Sequence[bytes]) -> Outcome:
        """Send MOST_LINES lines at most; blocks for as long as it is patient, and for one answer more."""
        accepted, errors = 0, dict[int, str]()
        waiting: Sequence[int] = range(len(lines))
        until = time.monotonic() + self._patience_s
        while True:
            told = self._told([lines[place] for place in waiting])
            accepted += told.accepted
            errors |= {waiting[at]: reason for at, reason in told.errors.items()}
            waiting = [waiting[at] for at in told.again]
            if not waiting or time.monotonic() + told.wait_s > until:
                return Outcome(accepted, errors, told.failure)
            time.sleep(told.wait_s)

    def _told(self, lines: list[bytes]) -> _Told:
        everything: Sequence[int] = range(len(lines))
        try:
            status, wait_s, content = self._exchanged(lines)
        except (OSError, http.client.HTTPException):
            return _Told(again=everything if self._while_away else (), failure="does not answer")
        if status not in {200, 400}:
            passing = status == 429 or status >= 500
            return _Told(again=everything if passing else (), failure=f"answered {status}", wait_s=wait_s)
        try:
            counts = json.loads(content)
            errors = {error["line"] - 1: error["reason"] for error in counts["errors"]}
            accepted = int(counts["accepted"])
        except (ValueError, LookupError, TypeError):
            return _Told(failure="does not answer as a collector does")
        again = [place for place, reason in errors.items() if reason == "queue_full"]
        for place in again:
            del errors[place]
        whole = accepted + len(errors) + len(again) == len(lines)
        failure = "has no room" if again else "" if whole else f"answered {status}"
        return _Told(accepted, errors, again, failure, wait_s)

    def _exchanged(self, lines: list[bytes]) -> tuple[int, float, bytes]:
        """Status, seconds to wait before the next attempt, and what else was answered."""
        connection = self._connected(*self._address, timeout=self._timeout_s)
        try:
            connection.request(
                "POST",
                self._path,
                gzip.compress(b"\n".join(lines), 1),
                {"content-type": "application/x-ndjson", "content-encoding": "gzip"},
            )
            answer = connection.getresponse()
            asked = answer.headers.get("retry-after", "")
            wait_s = min(int(asked), _LONGEST_WAIT_S) if asked.isdecimal() else 1
            return answer.status, wait_s, answer.read(_LONGEST_ANSWER)
        finally:
            connection.close()


@dataclass(frozen=True)
class _Told:
    """What one answer says of the lines that were sent, by their places among them."""

    accepted: int = 0
    errors: dict[int, str] = field(default_factory=dict)
    again: Sequence[int] = ()
    failure: str = ""
    wait_s: float = 1
