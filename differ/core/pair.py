"""What the roles answered to one mirrored request, with what is known about the request."""

from __future__ import annotations

import msgspec

from differ.core.model import Response, Role


class Arrival(msgspec.Struct, frozen=True):
    """How one role's copy of the request arrived.

    ``started_us`` is in microseconds since the Unix epoch by the capturing proxy's clock, None where
    unknown. ``ids`` are the request and trace ids that this copy carried: they may differ between the
    roles, and an answer that echoes its own is no difference of behaviour.
    """

    started_us: int | None = None
    ids: tuple[str, ...] = ()


UNKNOWN = Arrival()


class Pair(msgspec.Struct, frozen=True):
    """The captures of one mirrored request: primary and shadow, and control where one answered.

    ``path`` has the query. ``ambiguous``: two captures of one role had the same key and were matched
    in order. ``retried``: the primary was asked more than once and its last attempt is here. ``second``:
    the one of the Unix epoch that it is counted under (`differ.core.trend.second_of`).
    """

    service: str
    candidate: str
    primary_version: str
    endpoint: str
    request_id: str
    method: str
    path: str
    primary: Response
    shadow: Response
    control: Response | None = None
    primary_arrival: Arrival = UNKNOWN
    shadow_arrival: Arrival = UNKNOWN
    control_arrival: Arrival = UNKNOWN
    ambiguous: bool = False
    retried: bool = False
    second: int = 0

    def response(self, role: Role) -> Response | None:
        """What this role answered; None for a control that did not."""
        match role:
            case Role.PRIMARY:
                return self.primary
            case Role.SHADOW:
                return self.shadow
            case Role.CONTROL:
                return self.control

    def arrival(self, role: Role) -> Arrival:
        """How this role's copy of the request arrived."""
        match role:
            case Role.PRIMARY:
                return self.primary_arrival
            case Role.SHADOW:
                return self.shadow_arrival
            case Role.CONTROL:
                return self.control_arrival

    def gap_us(self) -> int | None:
        """By how much the shadow's answer ended after the primary's, microseconds; None where unknown."""
        primary = _ended_us(self.primary, self.primary_arrival)
        shadow = _ended_us(self.shadow, self.shadow_arrival)
        return None if primary is None or shadow is None else shadow - primary


def _ended_us(response: Response, arrival: Arrival) -> int | None:
    if arrival.started_us is None or response.duration_us is None:
        return None
    return arrival.started_us + response.duration_us
