"""How old what is read from a client may be: what it sends waits in both machines while nobody reads it.

A client answers a ping at once, and behind what it has sent before (RFC 9113 §6.7). So what is read after
the answer has been sent after the ping was.
"""

from __future__ import annotations

from typing import Final

from collector.http2.frames import PING, frame

PING_EVERY_S: Final = 1.0

LATE_S: Final = 2.5
"""Envoy gives an exchange that it has not got rid of up five seconds after the response."""


class Lag:
    """Of one connection, in seconds of one clock. ``known`` is when its server was last known to keep up."""

    def __init__(self, known: float) -> None:
        self._known = known
        self._sent = float("-inf")
        self._number = 0
        self._answered = True

    def ping(self, now: float) -> bytes:
        """What is to be sent now to find out, or nothing."""
        if not self._answered or now - self._sent < PING_EVERY_S:
            return b""
        self._sent, self._answered = now, False
        self._number += 1
        return frame(PING, 0, 0, self._number.to_bytes(8, "big"))

    def answered(self, payload: bytes) -> None:
        """The client has answered a ping, this connection's or one that nobody sent."""
        if not self._answered and payload == self._number.to_bytes(8, "big"):
            self._known, self._answered = self._sent, True

    def is_late(self, now: float) -> bool:
        """Whether what is read now may have waited for longer than its sender waits."""
        return now - self._known > LATE_S
