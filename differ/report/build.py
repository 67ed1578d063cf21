"""From a report and its verdict to what the page says. Words and order; every number is the report's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from differ.core.trend import Point
from differ.core.verdict import Verdict
from differ.report import counted_lists as lists
from differ.report.band import coverage, verdict_view
from differ.report.check_lines import check_lines
from differ.report.endpoint_rows import Rows
from differ.report.example import ExampleView
from differ.report.trend_plot import trend_view
from differ.report.view import LinkView, ReportView
from differ.report.wanted import Wanted
from differ.report.words import endpoint_anchor, first_of, moment, window

SESSIONS: Final = 20
"""Other candidates linked to, the ones seen last."""


def build(
    verdict: Verdict,
    kept: Mapping[str, Sequence[str]],
    wanted: Wanted,
    example: ExampleView | None,
    sessions: Sequence[LinkView] = (),
    events: str = "",
    saved: Mapping[str, ExampleView] | None = None,
    samples: Mapping[str, str] | None = None,
    points: Sequence[Point] = (),
) -> ReportView:
    """The view. ``kept`` are the ids of kept diffs by signature, newest first.

    ``saved`` are, for a page that stands alone, the examples it carries, by signature; ``samples`` one
    difference of each, in words. ``points`` are the session over time.
    """
    report, facts = verdict.report, verdict.facts
    chosen = chosen_signature(verdict, kept, wanted)
    rows = Rows(wanted, kept, chosen, samples or {}, saved, points)

    def example_of(signature: str) -> str:
        link = rows.example(signature)
        return "" if link is None else link.href

    def place_of(endpoint: str) -> str:
        anchor = endpoint_anchor(endpoint)
        if saved is not None:
            return f"#{anchor}"
        return wanted.listing(endpoint=anchor.removeprefix("endpoint-"))

    candidate = facts.candidate or "unknown build"
    return ReportView(
        title=f"{verdict.word} · {facts.service} {facts.primary_version} → {candidate}",
        service=facts.service,
        candidate=candidate,
        primary=facts.primary_version or "unknown build",
        session=facts.session,
        window=window(facts.first_us, facts.last_us),
        coverage=coverage(verdict),
        policy=report.policy.id,
        verdict=verdict_view(verdict, example_of),
        checks=check_lines(verdict, place_of),
        endpoints=rows.view(report.endpoints),
        trend=trend_view(points, report.policy.tolerance),
        example=example,
        examples=tuple({each.id: each for each in (saved or {}).values()}.values()),
        skipped=lists.uncompared(verdict),
        rules=lists.rules(report.rules),
        noise=lists.noise(report.endpoints),
        proposals=tuple(lists.proposals(verdict, chosen)),
        signature=chosen,
        suggestions=lists.suggestions(verdict),
        latency=lists.latency(report.endpoints),
        sessions=first_of(sessions, SESSIONS)[0],
        events=events,
        show=wanted.show,
        made=f"Made {moment(verdict.now_us)}. Intervals hold at every look, however often one looks.",
    )


def chosen_signature(verdict: Verdict, kept: Mapping[str, Sequence[str]], wanted: Wanted) -> str:
    """The signature whose example is shown: the one asked for, else the worst that has one."""
    if wanted.signature:
        return wanted.signature
    shown = [one for one in verdict.report.signatures if kept.get(one.id)]
    # Of an endpoint that is shown alone it is one of its own, if there is any.
    own = [one for one in shown if endpoint_anchor(one.signature.endpoint) == f"endpoint-{wanted.endpoint}"]
    return next((one.id for one in [*own, *shown]), "")
