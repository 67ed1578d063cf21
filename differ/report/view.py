"""Everything that the report page says, as values: the template adds markup and no thought.

Text here is for people and unescaped; escaping is the template's. Links are relative to the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from differ.report.example import ExampleView


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The band on top. ``tone`` is ``fail``, ``pass`` or ``wait``."""

    word: str
    tone: str
    glyph: str
    headline: str
    sentence: str


@dataclass(frozen=True, slots=True)
class CheckView:
    """One line of why."""

    tone: str
    glyph: str
    what: str
    measured: str
    limit: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link, a filter or an example, with whether it is what is shown now."""

    text: str
    href: str
    current: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A share drawn: how much differs, and a tick at the endpoint's own noise. All in [0, 100]."""

    differ: float
    noise: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field of an endpoint, or one signature of it."""

    id: str
    field: str
    change: str
    risk: str
    differ: str
    noise: str
    net: str
    disposition: str
    note: str = ""
    sample: str = ""
    example: LinkView | None = None


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint."""

    id: str
    route: str
    tone: str
    glyph: str
    chips: tuple[str, ...]
    more: int
    pairs: str
    differ: str
    noise: str
    net: str
    bar: Bar
    fields: tuple[FieldView, ...]
    open: bool
    state: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CountView:
    """A line of a counted list: what, why, how often."""

    what: str
    count: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReportView:
    """The page of one session."""

    title: str
    service: str
    candidate: str
    primary: str
    session: str
    window: str
    coverage: str
    policy: str
    verdict: VerdictView
    checks: tuple[CheckView, ...]
    quiet_checks: tuple[CheckView, ...]
    quiet_summary: str
    filters: tuple[LinkView, ...]
    endpoints: tuple[EndpointView, ...]
    example: ExampleView | None
    examples: tuple[ExampleView, ...]
    skipped: tuple[CountView, ...]
    skipped_total: str
    rules: tuple[CountView, ...]
    noise: tuple[CountView, ...]
    suggestions: tuple[CountView, ...]
    proposals: tuple[CountView, ...]
    groups: tuple[CountView, ...]
    latency: tuple[CountView, ...]
    sessions: tuple[LinkView, ...] = field(default=())
    events: str = ""
    made: str = ""
    signature: str = ""
    review: str = ""
    reviews: tuple[CountView, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service of the front page."""

    name: str
    href: str
    candidate: str
    verdict: VerdictView
    seen: str


@dataclass(frozen=True, slots=True)
class FrontView:
    """The front page."""

    services: tuple[ServiceRow, ...]
    problem: str = ""
