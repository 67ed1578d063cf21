"""Which build answered: as the capture says, or as the response itself does in a header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mirrordiff.v1.capture_pb2 import END_NO_RESPONSE, Capture

UNNAMED_CANDIDATE: Final = "unnamed"
"""The candidate where neither the captures nor the configuration tell one build from another."""

UNSEEN_CANDIDATE: Final = "unseen"
"""The candidate of what the primary answered before any shadow was seen."""

MOST_BUILDS: Final = 50
"""Builds that headers of one service may name while a worker runs: a header that is another each time
names none, and would open a session with every answer."""

LONGEST: Final = 128
"""Characters of a build's name."""


class Builds:
    """Tells builds. ``header`` is the name of the header that has them, empty for none.

    ``candidates`` are the candidates of each service that were seen last.
    """

    def __init__(self, header: str, candidates: Mapping[str, str]) -> None:
        self._header = header.lower().encode()
        self._candidates = candidates
        self._named: dict[str, set[str]] = {}

    def candidate(self, shadow: Capture) -> str:
        """The build of a shadow's capture.

        One without an answer has no header: it is counted for the candidate that was seen last.
        """
        named = self._in_header(shadow)
        if not named and self._header and shadow.end == END_NO_RESPONSE:
            named = self._candidates.get(shadow.service, "")
        return named or shadow.version or UNNAMED_CANDIDATE

    def primary(self, capture: Capture) -> str:
        """The build of a primary's capture; empty where nothing tells it."""
        return self._in_header(capture) or capture.version

    def latest(self, capture: Capture) -> str:
        """The candidate that a response of another role belongs to, which stayed alone."""
        return self._candidates.get(capture.service, UNSEEN_CANDIDATE)

    def _in_header(self, capture: Capture) -> str:
        if not self._header:
            return ""
        for line in capture.headers.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() == self._header:
                build = value.strip().decode("latin-1")
                return build if self._plausible(capture.service, build) else ""
        return ""

    def _plausible(self, service: str, build: str) -> bool:
        known = self._named.setdefault(service, set())
        if build in known:
            return True
        if not build or len(build) > LONGEST or not build.isprintable() or len(known) >= MOST_BUILDS:
            return False
        known.add(build)
        return True
