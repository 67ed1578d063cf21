"""What a verdict needs to know that no pair can tell: the state of what gathered the pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from differ.core.tally import Tally


@dataclass(frozen=True, slots=True)
class Profile:
    """Noise measured beforehand, of v1 against v1; ``taken_us`` is in microseconds since the Unix epoch."""

    tally: Tally
    taken_us: int


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """About one session, beside its tally. All times are in microseconds since the Unix epoch.

    ``first_us`` and ``last_us``: the first and the last pair counted in this epoch, None before any.
    ``opened_us``: when the wait for a decision began, None where that is the first pair.
    ``primary_versions``: every build of v1 that answered. ``epoch`` is the id of the rules in force,
    ``epochs`` how many sets of rules have judged; the tally is of the one in force alone.
    ``latest_candidate``: the build that the service's newest captures came from, None where unknown.
    ``lag_pairs``, ``lag_us``: pairs waiting to be compared, and the age of the oldest.
    ``dropped``, ``evicted``: captures lost before they could pair, and keys that Redis threw out.
    ``discontinuity``: Redis failed over or lost data while the evidence was gathered.
    ``rules``: the note of each rule in force, by rule id.
    ``exists``: false where the session asked for is not known.
    """

    service: str
    candidate: str
    session: str = ""
    gate: str = "default"
    primary_versions: tuple[str, ...] = ()
    latest_candidate: str | None = None
    epoch: str = ""
    epochs: int = 1
    opened_us: int | None = None
    first_us: int | None = None
    last_us: int | None = None
    lag_pairs: int = 0
    lag_us: int = 0
    dropped: int = 0
    evicted: int = 0
    discontinuity: bool = False
    store_unavailable: bool = False
    exists: bool = True
    rules: Mapping[str, str] = field(default_factory=dict)
    profile: Profile | None = None
    report_uri: str = ""

    @property
    def primary_version(self) -> str:
        """The builds of v1 in one text."""
        return ", ".join(self.primary_versions)
