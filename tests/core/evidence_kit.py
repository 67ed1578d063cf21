"""Pairs and outcomes for tests of the evidence: short to write, and nothing pretended in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from differ.core.model import Difference, Disposition, Finding, Kind, Outcome, Response, Result
from differ.core.pair import UNKNOWN, Arrival, Pair
from differ.core.paths import Part, Path, Step
from differ.core.tally import Tally, count

ENDPOINT = "GET /orders/{id}"
OK = Response(200)
SAME = Outcome(Result.SAME)


def body(*steps: Step) -> Path:
    return Path(Part.BODY, "", steps)


STATUS = Path(Part.STATUS)


def finding(
    path: Path,
    kind: Kind = Kind.VALUE,
    primary: object = 1,
    shadow: object = 2,
    disposition: Disposition = Disposition.REGRESSION,
    rule: str = "",
) -> Finding:
    """A finding; an ignored one has its rule's note for its id."""
    ignored = disposition is Disposition.IGNORED
    return Finding(Difference(path, kind, primary, shadow), disposition, rule, rule if ignored else "")


def outcome(*findings: Finding) -> Outcome:
    different = any(found.disposition is Disposition.REGRESSION for found in findings)
    return Outcome(Result.DIFFERENT if different else Result.SAME, findings)


def pair(
    number: int = 0,
    *,
    endpoint: str = ENDPOINT,
    method: str = "GET",
    path: str | None = None,
    primary: Response = OK,
    shadow: Response = OK,
    control: Response | None = None,
    primary_arrival: Arrival = UNKNOWN,
    shadow_arrival: Arrival = UNKNOWN,
    ambiguous: bool = False,
    retried: bool = False,
    second: int = 0,
) -> Pair:
    return Pair(
        service="orders",
        candidate="v2",
        primary_version="v1",
        endpoint=endpoint,
        request_id=f"request-{number}",
        method=method,
        path=f"/orders/{number}" if path is None else path,
        primary=primary,
        shadow=shadow,
        control=control,
        primary_arrival=primary_arrival,
        shadow_arrival=shadow_arrival,
        ambiguous=ambiguous,
        retried=retried,
        second=second,
    )


def added(*increments: Mapping[str, int]) -> Tally:
    """The tally after these increments."""
    counts: dict[str, int] = {}
    for increment in increments:
        for name, by in increment.items():
            counts[name] = counts.get(name, 0) + by
    return Tally.of(counts)


def tally_of(outcomes: Iterable[Outcome | tuple[Outcome, Outcome]], *, endpoint: str = ENDPOINT) -> Tally:
    """The tally of pairs with these outcomes, or outcomes and control outcomes, each its own request."""
    increments = []
    for number, given in enumerate(outcomes):
        shadow, control = given if isinstance(given, tuple) else (given, None)
        answered = None if control is None else Response(200)
        increments.append(count(pair(number, endpoint=endpoint, control=answered), shadow, control))
    return added(*increments)
