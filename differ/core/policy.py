"""What a release may be judged by: the policy, and reading one from YAML.

With no file at all the defaults decide: half a percent of excess mismatch per endpoint, no new server
errors, at least 300 pairs over five minutes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from typing import Final

from differ.core.names import short_hash
from differ.core.policy_file import Entry, Faults, PolicyError, open_document
from differ.core.risk import Worry

__all__ = ["Critical", "EndpointPolicy", "Mode", "OnInconclusive", "Policy", "PolicyError", "parse_policy"]


class Mode(StrEnum):
    """How much a kind of check weighs."""

    GATING = "gating"
    ADVISORY = "advisory"
    OFF = "off"


class OnInconclusive(StrEnum):
    """What INCONCLUSIVE means once the deadline has passed."""

    HOLD = "hold"
    FAIL = "fail"
    PASS = "pass"  # noqa: S105


class Mirrored(StrEnum):
    """Whether every request is mirrored, or a sample: then a primary without a shadow is no loss."""

    ALL = "all"
    SAMPLED = "sampled"


@dataclass(frozen=True, slots=True)
class Critical:
    """A class of signatures that fails at a count: on so many distinct requests, and none in the control.

    ``field`` is a pattern with ``*``; ``worry`` the class of difference. FAILURE counts from success
    alone: 2xx to 5xx, or to no response.
    """

    worry: Worry
    field: str = "*"
    requests: int = 3


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    """What differs from the policy's own for endpoints that match a pattern (``*`` is any text)."""

    match: str
    tolerance: float | None = None
    required: bool = False
    mode: Mode = Mode.GATING


DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of a gate. Shares are in (0, 1), times in seconds.

    ``noisy_tolerance`` is for a field that v1 disagrees with itself about. ``deadline`` is the time in
    which a decision is wanted: endpoints too quiet to be decided by then are judged together.
    """

    tolerance: float = 0.005
    noisy_tolerance: float = 0.05
    alpha: float = 0.05
    min_pairs: int = 300
    min_duration: float = 300.0
    min_paired_ratio: float = 0.95
    max_lag: float = 30.0
    max_dropped: float = 0.01
    max_skipped: float = 0.01
    max_profile_age: float = 7 * DAY
    deadline: float = 1800.0
    on_inconclusive: OnInconclusive = OnInconclusive.HOLD
    mirrored: Mirrored = Mirrored.ALL
    latency: Mode = Mode.ADVISORY
    latency_bulk_tolerance: float = 0.05
    latency_tail_tolerance: float = 0.01
    distribution: Mode = Mode.GATING
    criticals: tuple[Critical, ...] = (Critical(Worry.FAILURE),)
    required: tuple[str, ...] = ()
    endpoints: tuple[EndpointPolicy, ...] = field(default=())

    @property
    def id(self) -> str:
        """A short id: the same if and only if the policies are equal."""
        return short_hash("policy", repr(self))

    def of_endpoint(self, endpoint: str) -> EndpointPolicy:
        """What holds for an endpoint: the first entry that matches it, completed from the policy's own."""
        entry = next(
            (one for one in self.endpoints if matches(one.match, endpoint)), EndpointPolicy(endpoint)
        )
        return replace(
            entry,
            tolerance=self.tolerance if entry.tolerance is None else entry.tolerance,
            required=entry.required or any(matches(pattern, endpoint) for pattern in self.required),
        )

    @property
    def must_be_seen(self) -> tuple[str, ...]:
        """Patterns of the endpoints that must have been compared."""
        return tuple(dict.fromkeys((*self.required, *(one.match for one in self.endpoints if one.required))))


def matches(pattern: str, text: str) -> bool:
    """Whether text matches a pattern in which ``*`` is any text, and everything else itself."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(re.sub(r"[\[?]", lambda found: f"[{found[0]}]", pattern)))


def parse_policy(text: str) -> Policy:
    """A policy from YAML; nothing at all is the default policy.

    Raises PolicyError with every problem of the text at once, each with its line.
    """
    faults = Faults()
    document = open_document(text, faults)
    policy = Policy() if document is None else _policy(document, faults)
    faults.raise_if_any()
    return policy


_CHOICES: Final[dict[str, type[StrEnum]]] = {
    "on_inconclusive": OnInconclusive,
    "mirrored": Mirrored,
    "distribution": Mode,
}


def _policy(document: Entry, faults: Faults) -> Policy:
    default = Policy()
    known = {one.name for one in fields(Policy)} - {"latency_bulk_tolerance", "latency_tail_tolerance"}
    entries = document.members(known, faults)
    read: dict[str, object] = {}
    for name, entry in entries.items():
        match name:
            case "tolerance" | "noisy_tolerance" | "alpha" | "max_dropped" | "max_skipped":
                read[name] = entry.share(faults)
            case "min_paired_ratio":
                read[name] = entry.share(faults, one=True)
            case "min_duration" | "max_lag" | "max_profile_age" | "deadline":
                read[name] = entry.seconds(faults)
            case "min_pairs":
                read[name] = entry.whole(faults, least=1)
            case "on_inconclusive" | "mirrored" | "distribution":
                read[name] = entry.choice(_CHOICES[name], faults)
            case "latency":
                read |= _latency(entry, faults)
            case "criticals":
                read[name] = tuple(_critical(item, faults) for item in entry.items(faults))
            case "required":
                read[name] = tuple(item.text(faults) for item in entry.items(faults))
            case _:  # endpoints
                read[name] = tuple(_endpoint(item, faults) for item in entry.items(faults))
    return default if faults else replace(default, **read)  # type: ignore[arg-type]  # each was read as its type


def _latency(entry: Entry, faults: Faults) -> dict[str, object]:
    if not entry.is_mapping:
        return {"latency": entry.choice(Mode, faults)}
    read: dict[str, object] = {}
    for name, member in entry.members({"mode", "bulk_tolerance", "tail_tolerance"}, faults).items():
        if name == "mode":
            read["latency"] = member.choice(Mode, faults)
        else:
            read[f"latency_{name}"] = member.share(faults)
    return read


WORRIES: Final = {worry.name.lower(): worry for worry in Worry}


def _critical(entry: Entry, faults: Faults) -> Critical:
    members = entry.members({"what", "field", "requests"}, faults, needs={"what"})
    read = Critical(Worry.FAILURE)
    if "what" in members:
        name = members["what"].word(WORRIES, faults)
        read = replace(read, worry=WORRIES.get(name, Worry.FAILURE))
    if "field" in members:
        read = replace(read, field=members["field"].text(faults))
    if "requests" in members:
        read = replace(read, requests=members["requests"].whole(faults, least=1))
    return read


def _endpoint(entry: Entry, faults: Faults) -> EndpointPolicy:
    members = entry.members({"match", "tolerance", "required", "mode"}, faults, needs={"match"})
    read = EndpointPolicy("*")
    if "match" in members:
        read = replace(read, match=members["match"].text(faults))
    if "tolerance" in members:
        read = replace(read, tolerance=members["tolerance"].share(faults))
    if "required" in members:
        read = replace(read, required=members["required"].boolean(faults))
    if "mode" in members:
        read = replace(read, mode=members["mode"].choice(Mode, faults))
    return read
