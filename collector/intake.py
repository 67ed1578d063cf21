"""Where the ways in meet: captures are numbered, counted and offered to the sink. Never waits."""

from __future__ import annotations

import secrets
from typing import Final

from collector.captured import Keyed, Recorder, Source
from collector.metrics import Metrics
from collector.redaction import Redaction
from collector.sink import Sink
from mirrordiff.request_body import HASHED
from mirrordiff.v1.capture_pb2 import End, Role

ROLE_NAMES: Final = {number: name.removeprefix("ROLE_").lower() for name, number in Role.items()}
END_NAMES: Final = {number: name.removeprefix("END_").lower() for name, number in End.items()}

NOT_NAMED: Final = "unknown_cluster"
"""Why there is no capture of an exchange with a cluster that no rule names."""


class Intake:
    """Takes what the ways in have made of responses."""

    def __init__(self, sink: Sink, redaction: Redaction, body_cap: int, metrics: Metrics) -> None:
        self.metrics = metrics
        self.body_cap = body_cap
        self.request_cap = max(HASHED, body_cap if redaction.request_bodies else 0)
        self.most_assembling = sink.most_bytes
        self._sink = sink
        self._suspects = metrics.suspects
        metrics.withheld = redaction.withheld
        self._redaction = redaction
        # Unique to this process, so that no two collectors ever give out one capture id.
        self._id_prefix = secrets.token_bytes(6)
        self._next_id = 0

    @property
    def full(self) -> bool:
        """Whether the queue takes nothing more now."""
        return self._sink.full

    def recorder(self, source: Source) -> Recorder:
        """What makes captures of a source."""
        return Recorder(source, self._redaction, self.body_cap)

    def new_id(self) -> bytes:
        """12 bytes that no other capture has."""
        self._next_id += 1
        return self._id_prefix + self._next_id.to_bytes(6, "big")

    def hold(self, change: int) -> int:
        """Count bytes that came and are not yet a capture; how many more have room, below 0 at too many."""
        self.metrics.assembling_bytes += change
        return self.most_assembling - self.metrics.assembling_bytes

    def take(self, keyed: Keyed) -> bool:
        """Count a capture's ending and offer it; False, and counted, where there is no room for it."""
        capture = keyed.capture
        self.metrics.ended[capture.service, ROLE_NAMES[capture.role], END_NAMES[capture.end]] += 1
        self._suspects.pass_by(capture)
        return self._sink.offer(keyed.pair, capture)

    def received(self, source: Source, count: int) -> None:
        """Count responses that came in, whatever becomes of them."""
        self.metrics.received[source.service, ROLE_NAMES[source.role]] += count

    def unusable(self, service: str, reason: str, count: int = 1) -> None:
        """Count what no capture could be made of.

        A gateway sends what it sees of every route it has: what no rule names was never asked for, and is
        no loss.
        """
        if reason == NOT_NAMED:
            self.metrics.not_named += count
        else:
            self.metrics.dropped[service, reason] += count
