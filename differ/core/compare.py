"""The judgement: what a pair of responses differs in, and what each difference counts as.

``compare`` is pure, total and symmetric: no input makes it raise, and swapping the sides swaps every
difference. The one asymmetry is meant: a primary without a response leaves nothing to compare with,
a shadow without one is a finding.

How each ending is judged:

=================================== ====================================================================
UPGRADE on a side                   skipped: there is no response to compare
primary without response            skipped
shadow without response             one finding, ``status`` missing
TRUNCATED, ABORTED, NOT_CAPTURED    status and what is there of headers are compared, the body is not
=================================== ====================================================================

A GraphQL answer with ``errors`` counts as another status than one without: a ``value`` difference of
``status`` whose value on that side is the text ``"200 with errors"``. A gRPC status is compared as
``trailer.grpc-status``, whether it came as trailer or as header.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from differ.core.body import Described, compare_bodies, describe
from differ.core.findings import Collector, Enough
from differ.core.headers import compare_headers
from differ.core.lifting.lifted import Family
from differ.core.lifting.protobuf import Schemas
from differ.core.model import End, Headers, Kind, Outcome, Response, Result
from differ.core.paths import Part, Path
from differ.core.rules import RuleSet

STATUS: Final = Path(Part.STATUS)

_SAME: Final = Outcome(Result.SAME)


@dataclass(frozen=True, slots=True)
class Where:
    """What a pair answers: rules are scoped by it (and by the primary's status)."""

    service: str
    endpoint: str


def compare(
    primary: Response, shadow: Response, rules: RuleSet, where: Where, schemas: Schemas | None = None
) -> Outcome:
    """What became of a pair.

    ``rules`` are those in force (see ``RuleSet.effective``). ``schemas`` name the fields of protobuf
    messages; without them a field is known by its number.
    """
    reason = _incomparable(primary, shadow)
    if reason:
        return Outcome(Result.SKIPPED, reason=reason, uncompared=reason)
    if (
        primary.headers == shadow.headers
        and _complete(primary, shadow)
        and _equal_but_headers(primary, shadow)
    ):
        return _SAME
    found = Collector(rules.scoped(where.service, where.endpoint, primary.status))
    try:
        reason = _collect(primary, shadow, found, where.endpoint, schemas)
    except Enough:
        reason = ""
    return found.outcome(reason)


def _collect(
    primary: Response, shadow: Response, found: Collector, endpoint: str, schemas: Schemas | None
) -> str:
    """Finds what differs; gives the reason why the body was not compared, or nothing."""
    if shadow.end is End.NO_RESPONSE:
        found.add(STATUS, Kind.MISSING, primary.status, None)
        return ""
    if primary.status != shadow.status:
        found.add(STATUS, Kind.VALUE, primary.status, shadow.status)
    if End.NOT_CAPTURED in (primary.end, shadow.end):
        return _uncompared(primary, shadow)
    described = describe(primary.headers), describe(shadow.headers)
    _compare_headers(primary, shadow, described, found)
    if _complete(primary, shadow):
        message = None if schemas is None else schemas.response_type(endpoint)
        return compare_bodies(primary, shadow, described, found, message)
    return _uncompared(primary, shadow)


def _incomparable(primary: Response, shadow: Response) -> str:
    if primary.end is End.UPGRADE:
        return "primary: the connection was upgraded"
    if primary.end is End.NO_RESPONSE:
        return "primary: no response"
    if shadow.end is End.UPGRADE:
        return "shadow: the connection was upgraded"
    return ""


def _complete(primary: Response, shadow: Response) -> bool:
    return primary.end is End.COMPLETE and shadow.end is End.COMPLETE


def _equal_but_headers(primary: Response, shadow: Response) -> bool:
    return (
        primary.body == shadow.body
        and primary.status == shadow.status
        and primary.trailers == shadow.trailers
    )


_WHY: Final = {
    End.TRUNCATED: "the body is cut at the capture's cap",
    End.ABORTED: "the response was cut before its end",
    End.NOT_CAPTURED: "neither headers nor body were captured",
}


def _uncompared(primary: Response, shadow: Response) -> str:
    sides = (("primary", primary), ("shadow", shadow))
    return "; ".join(f"{side}: {_WHY[answer.end]}" for side, answer in sides if answer.end in _WHY)


def _compare_headers(
    primary: Response, shadow: Response, described: tuple[Described, Described], found: Collector
) -> None:
    headers, trailers = (primary.headers, shadow.headers), (primary.trailers, shadow.trailers)
    if any(reading.media.family is Family.GRPC for _, reading in described):
        (header_p, trailer_p), (header_s, trailer_s) = _grpc(primary), _grpc(shadow)
        headers, trailers = (header_p, header_s), (trailer_p, trailer_s)
    for difference in compare_headers(Part.HEADER, *headers):
        found.add(*difference)
    # A response that was cut may have had the trailers that the other has.
    if not trailers[0] and not trailers[1]:
        return
    if End.ABORTED not in (primary.end, shadow.end):
        for difference in compare_headers(Part.TRAILER, *trailers):
            found.add(*difference)


def _grpc(response: Response) -> tuple[Headers, Headers]:
    """Headers and trailers; the gRPC status of an answer without messages is moved to the trailers."""
    moved = tuple(line for line in response.headers if line[0] in _GRPC_STATUS)
    if not moved:
        return response.headers, response.trailers
    kept = tuple(line for line in response.headers if line[0] not in _GRPC_STATUS)
    return kept, (*response.trailers, *moved)


_GRPC_STATUS: Final = frozenset({"grpc-status", "grpc-message", "grpc-status-details-bin"})
