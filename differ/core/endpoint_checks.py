"""The checks of endpoints: does any differ from v1 by more than v1 from itself, beyond what is tolerated?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from differ.core.checks import Check, Code
from differ.core.criticals import DISTINCT
from differ.core.excess import Excess, Word, excess, pairs_needed
from differ.core.policy import Mode, Policy
from differ.core.rate import Interval, Rate
from differ.core.report_model import EndpointReport, FieldReport, Report

QUIET_SHARE: Final = 0.05
"""Quiet endpoints that cannot be decided by the deadline, even together, hold nothing up below this share."""

_SECOND: Final = 1_000_000
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class EndpointVerdict:
    """What an endpoint says by itself. ``pooled``: too quiet, it is judged with others like it."""

    report: EndpointReport
    word: Word
    pooled: bool
    need: int | None


def endpoint_verdicts(report: Report, policy: Policy, elapsed_us: int) -> tuple[EndpointVerdict, ...]:
    """What each endpoint says, and whether it is too quiet to say it alone."""
    verdicts = tuple(_endpoint_verdict(one, policy, elapsed_us) for one in report.endpoints)
    quiet = [one for one in verdicts if one.pooled]
    if len(quiet) == 1 and quiet[0].report.compared >= QUIET_SHARE * report.totals.compared:
        # There is nothing to judge it together with.
        return tuple(replace(one, pooled=False) for one in verdicts)
    return verdicts


def _endpoint_verdict(report: EndpointReport, policy: Policy, elapsed_us: int) -> EndpointVerdict:
    word = report.excess.word
    if word is Word.FAIL and not _distinct_enough(report):
        word = Word.INCONCLUSIVE
    for one in report.judged_fields:
        word = _worst(word, one.excess.word)
    need = pairs_needed(report.excess)
    # By the deadline, at the pace so far, will it have what it takes?
    reach = report.compared * policy.deadline * _SECOND / elapsed_us if elapsed_us else None
    quiet = need is not None and reach is not None and reach < need
    pooled = quiet and word is not Word.FAIL and not report.policy.required
    return EndpointVerdict(report, word, pooled and report.policy.mode is Mode.GATING, need)


def _worst(one: Word, other: Word) -> Word:
    order = (Word.FAIL, Word.INCONCLUSIVE, Word.PASS)
    return order[min(order.index(one), order.index(other))]


def _distinct_enough(report: EndpointReport) -> bool:
    return report.distinct_different >= min(DISTINCT, report.distinct_requests)


def endpoint_checks(one: EndpointVerdict, policy: Policy) -> Iterator[Check]:
    """The checks of one endpoint: mismatches, noisy fields, distributions, latency."""
    report = one.report
    mode = report.policy.mode
    if mode is Mode.OFF or not report.compared:
        return
    yield _excess_check(one, mode)
    for place in report.judged_fields:
        yield _field_check(report, place, Mode.ADVISORY if one.pooled else mode)
    for place in report.fields:
        for change in place.changes:
            yield Check(
                Code.DISTRIBUTION_CHANGED,
                f"values of a noisy field, {change}",
                Word.FAIL,
                endpoint=report.endpoint,
                field=place.field,
                mode=_lighter(mode, policy.distribution),
            )
    if report.latency is not None:
        weight = Mode.ADVISORY if one.pooled else _lighter(mode, policy.latency)
        for code, name, judged in (
            (Code.LATENCY_BULK, "pairs in which v2 is clearly slower", report.latency.bulk),
            (Code.LATENCY_TAIL, f"answers over {report.latency.tail_us / 1000:.3g} ms", report.latency.tail),
        ):
            yield Check(
                code,
                name,
                judged.word,
                judged.net_text,
                _limit(judged),
                endpoint=report.endpoint,
                mode=weight,
            )


def _lighter(one: Mode, other: Mode) -> Mode:
    return one if one is not Mode.GATING else other


def _limit(judged: Excess) -> str:
    return str(Rate(round(judged.tolerance * 1_000_000), 1_000_000))


def _excess_check(one: EndpointVerdict, mode: Mode) -> Check:
    report = one.report
    judged = report.excess
    shown = [sig for place in report.fields if place.regressed for sig in place.signatures]
    code, word, need = Code.EXCESS_MISMATCH, judged.word, None
    if word is Word.FAIL and not _distinct_enough(report):
        code, word = Code.FEW_DISTINCT_REQUESTS, Word.INCONCLUSIVE
    elif word is Word.INCONCLUSIVE:
        code, need = _undecided(one)
    blamed = ", ".join(str(sig.signature) for sig in shown[:_NAMED])
    return Check(
        code,
        "pairs that differ beyond noise",
        word,
        f"{judged.net_text}{f' by {blamed}' if blamed else ''}{_advice(report, word)}",
        _limit(judged),
        endpoint=report.endpoint,
        mode=Mode.ADVISORY if one.pooled else mode,
        have=report.compared,
        need=need,
        signatures=tuple(sig.id for sig in shown),
    )


def _advice(report: EndpointReport, word: Word) -> str:
    """Points to the rules that are suggested for fields with a part in a FAIL."""
    blamed = {place.field for place in report.fields if place.regressed}
    suggested = [one.field for one in report.suggestions if one.field in blamed]
    if word is not Word.FAIL or not suggested:
        return ""
    return f" ({', '.join(suggested[:_NAMED])} looks random on both sides: see the suggested rules)"


def _undecided(one: EndpointVerdict) -> tuple[Code, int | None]:
    judged = one.report.excess
    alone = replace(judged, interval=_without_noise(judged))
    if judged.noise is not None and alone.word is Word.FAIL:
        return Code.INSUFFICIENT_CONTROL, one.need
    return (Code.NEAR_TOLERANCE, None) if one.need is None else (Code.INSUFFICIENT_PAIRS, one.need)


def _without_noise(judged: Excess) -> Interval:
    return excess(judged.differ, None, judged.tolerance, judged.levels).interval


def _field_check(report: EndpointReport, place: FieldReport, mode: Mode) -> Check:
    judged = place.excess
    code, name = Code.EXCESS_MISMATCH, "pairs that differ beyond noise"
    if place.noisy:
        code, name = Code.NOISE_EXCEEDED, "v2 differs more than v1 from itself"
    undecided = judged.word is Word.INCONCLUSIVE
    need = pairs_needed(judged) if undecided else None
    return Check(
        (Code.INSUFFICIENT_PAIRS if need else Code.NEAR_TOLERANCE) if undecided else code,
        name,
        judged.word,
        judged.net_text,
        _limit(judged),
        endpoint=report.endpoint,
        field=place.field,
        mode=mode,
        have=judged.differ.total,
        need=need,
        signatures=tuple(one.id for one in place.signatures),
    )


def pool_of(quiet: list[EndpointReport]) -> Excess | None:
    """Quiet endpoints as one; by the strictest of their tolerances.

    Their noise is pooled too, which is exact where the control answers an equal share of each.
    """
    if not quiet:
        return None
    differ = Rate(sum(one.excess.differ.count for one in quiet), sum(one.compared for one in quiet))
    arms = [one.excess.noise for one in quiet if one.excess.noise is not None]
    noise = Rate(sum(arm.count for arm in arms), sum(arm.total for arm in arms)) if arms else None
    levels = quiet[0].excess.levels
    return excess(differ, noise, min(one.excess.tolerance for one in quiet), levels)


def pool_check(pool: Excess | None, compared: int) -> Iterator[Check]:
    """The check of the quiet endpoints together, if there are any."""
    if pool is None:
        return
    few = pool.word is Word.INCONCLUSIVE and pool.differ.total < QUIET_SHARE * compared
    need = pairs_needed(pool)
    yield Check(
        Code.EXCESS_MISMATCH if pool.word is not Word.INCONCLUSIVE else Code.INSUFFICIENT_PAIRS,
        "pairs that differ beyond noise, in quiet endpoints together",
        pool.word,
        pool.net_text,
        _limit(pool),
        mode=Mode.ADVISORY if few else Mode.GATING,
        have=pool.differ.total,
        need=need,
    )
