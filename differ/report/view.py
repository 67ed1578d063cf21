"""Everything that the report page says, as values: the template adds markup and no thought.

Text here is for people and unescaped; escaping is the template's. Links are relative to the page.
"""

from __future__ import annotations

from dataclasses import dataclass

from differ.report.example import ExampleView


@dataclass(frozen=True, slots=True)
class WorstView:
    """The worst thing found: ``label where — what``, with a link to an example of it where there is one."""

    label: str
    where: str
    what: str
    href: str


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The band on top. ``tone`` is ``fail``, ``pass`` or ``wait``; ``lead`` stands before the worst thing."""

    word: str
    tone: str
    glyph: str
    headline: str
    lead: str
    worst: WorstView | None


@dataclass(frozen=True, slots=True)
class CheckView:
    """One line of why: ``where · what``, with where that is shown."""

    tone: str
    glyph: str
    where: str
    what: str
    measured: str
    limit: str
    note: str
    href: str


@dataclass(frozen=True, slots=True)
class ChecksView:
    """``reasons`` decide; ``others`` are behind a fold that ``summary`` tells of, with ``more`` left out."""

    reasons: tuple[CheckView, ...]
    others: tuple[CheckView, ...]
    summary: str
    more: int


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link, a filter or an example, with whether it is what is shown now."""

    text: str
    href: str
    current: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a column: its kind, a CSS class too, where it begins from above, and how tall it is."""

    kind: str
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """One bucket of a trend: the share that differs, and the pairs it is of; ``at`` is its place."""

    at: int
    share: tuple[Part, ...]
    pairs: tuple[Part, ...]
    title: str


@dataclass(frozen=True, slots=True)
class TrendRow:
    """One bucket of a trend as numbers."""

    time: str
    compared: str
    different: str
    share: str
    noise: str
    skipped: str


@dataclass(frozen=True, slots=True)
class TrendView:
    """Two plots over one axis of time, the share that differs and how many pairs, and the same as a table.

    ``limit`` is where the line of what is tolerated lies, from above; ``top`` and ``most`` end the axes.
    """

    buckets: int
    columns: tuple[Column, ...]
    limit: float
    top: str
    most: str
    tolerated: str
    width: str
    first: str
    last: str
    summary: str
    rows: tuple[TrendRow, ...]


@dataclass(frozen=True, slots=True)
class SparkView:
    """When one endpoint differed: an SVG path over the buckets, and the same in words."""

    buckets: int
    path: str
    summary: str


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
    """One endpoint. ``href`` shows it alone, with the ``more_fields`` that are left out of a list."""

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
    notes: tuple[str, ...]
    href: str
    more_fields: int
    spark: SparkView | None


@dataclass(frozen=True, slots=True)
class CountView:
    """A line of a counted list: what, why, how often."""

    what: str
    count: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class EndpointsView:
    """The endpoints shown, and the ways to others. ``alone`` leads back from one shown by itself."""

    rows: tuple[EndpointView, ...]
    filters: tuple[LinkView, ...] = ()
    groups: tuple[CountView, ...] = ()
    pages: tuple[LinkView, ...] = ()
    alone: LinkView | None = None
    find: str = ""
    findable: bool = False


@dataclass(frozen=True, slots=True)
class ListView:
    """A counted list: its rows, what they come to, and how many rows are left out."""

    rows: tuple[CountView, ...]
    total: str
    more: int


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
    checks: ChecksView
    endpoints: EndpointsView
    trend: TrendView | None
    example: ExampleView | None
    examples: tuple[ExampleView, ...]
    skipped: ListView
    rules: ListView
    noise: ListView
    suggestions: ListView
    proposals: tuple[CountView, ...]
    latency: ListView
    sessions: tuple[LinkView, ...] = ()
    events: str = ""
    made: str = ""
    signature: str = ""
    show: str = ""
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
    """The front page. ``following`` is the address of the services behind these."""

    services: tuple[ServiceRow, ...]
    problem: str = ""
    following: str = ""
