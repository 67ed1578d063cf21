"""What was not looked at, and what else there is to know: counted lists, each bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from differ.core.report_model import EndpointReport, RuleReport
from differ.core.verdict import Verdict
from differ.report.example import milliseconds
from differ.report.rule_text import accepting, ignoring
from differ.report.view import CountView, ListView
from differ.report.words import counted, first_of, spelled

LISTED: Final = 40
"""Rows of one list; of those behind them the number."""


def uncompared(verdict: Verdict) -> ListView:
    """Everything that was captured and not compared, by reason. Its total counts responses and pairs."""
    totals, facts = verdict.report.totals, verdict.facts
    total = sum(totals.skipped.values()) + sum(totals.unpaired.values()) + facts.dropped
    return _listed(_uncompared(verdict), f"{total:,}")


def rules(rows: Sequence[RuleReport]) -> ListView:
    """The rules in force, by what they ignored."""
    return _listed(
        CountView(
            rule.note or f"rule {rule.id}", f"{rule.ignored:,}", "" if rule.ignored else "matched nothing"
        )
        for rule in sorted(rows, key=lambda rule: -rule.ignored)
    )


def noise(endpoints: Sequence[EndpointReport]) -> ListView:
    """The fields that were found to be noise, on what evidence."""
    return _listed(_noise(endpoints))


def suggestions(verdict: Verdict) -> ListView:
    """Rules that a person may want."""
    return _listed(
        CountView(each.rule, "", f"{each.endpoint}: {each.why}") for each in verdict.report.suggestions
    )


def latency(endpoints: Sequence[EndpointReport]) -> ListView:
    """How long both take, by endpoint."""
    return _listed(_latency(endpoints))


def proposals(verdict: Verdict, chosen: str) -> Iterator[CountView]:
    """What a reviewer may make of the signature whose example is shown, as rules to paste."""
    facts = verdict.facts
    for one in verdict.report.signatures:
        if one.id == chosen:
            accept = accepting(one.signature, facts.service, facts.candidate)
            ignore = ignoring(one.signature, facts.service)
            if accept:
                yield CountView(accept, "", f"It is meant: accept {one.signature} of {facts.candidate} alone")
            if ignore:
                yield CountView(
                    ignore, "", f"It never matters: ignore {one.signature.field} on this endpoint"
                )


def _listed(rows: Iterable[CountView], total: str = "") -> ListView:
    every = list(rows)
    shown, more = first_of(every, LISTED)
    return ListView(shown, total or f"{len(every):,}", more)


def _uncompared(verdict: Verdict) -> Iterator[CountView]:
    totals = verdict.report.totals
    for reason, count in sorted(totals.skipped.items(), key=lambda item: -item[1]):
        yield CountView(reason, f"{count:,}", "pair not compared")
    for (role, reason), count in sorted(totals.unpaired.items(), key=lambda item: -item[1]):
        yield CountView(f"{role} alone: {spelled(reason)}", f"{count:,}", "response without its twin")
    if verdict.facts.dropped:
        yield CountView("lost before pairing", f"{verdict.facts.dropped:,}", "captures that were not kept")
    if verdict.facts.lag_pairs:
        yield CountView("waiting to be compared", f"{verdict.facts.lag_pairs:,}")


def _noise(endpoints: Sequence[EndpointReport]) -> Iterator[CountView]:
    for each in endpoints:
        for place in each.fields:
            if place.noisy:
                yield CountView(
                    f"{each.endpoint} {place.field}",
                    str(place.noise),
                    f"v1 disagrees with itself ({each.noise_source})",
                )
            for evidence, count in place.serve_time.items():
                yield CountView(f"{each.endpoint} {place.field}", counted(count, "pair"), evidence)


def _latency(endpoints: Sequence[EndpointReport]) -> Iterator[CountView]:
    for each in endpoints:
        if each.latency is not None:
            row = each.latency
            yield CountView(
                each.endpoint,
                f"median {_apart(row.primary_median_us, row.shadow_median_us)}"
                f" · p99 {_apart(row.primary_p99_us, row.shadow_p99_us)}",
                f"clearly slower in {row.bulk.differ} of pairs, clearly faster in {row.bulk.noise or '–'}",
            )


def _apart(primary_us: float, shadow_us: float) -> str:
    return f"{milliseconds(int(primary_us))} → {milliseconds(int(shadow_us))}"
