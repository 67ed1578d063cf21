"""From a report and its verdict to what the page says. Words and order; every number is the report's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from differ.core.checks import Check
from differ.core.excess import Word
from differ.core.names import short_hash
from differ.core.policy import Mode
from differ.core.rate import Rate, percent
from differ.core.report_model import EndpointReport, FieldReport, SignatureReport, State
from differ.core.verdict import Verdict
from differ.report.example import ExampleView, milliseconds
from differ.report.rule_text import accepting, ignoring
from differ.report.view import (
    Bar,
    CheckView,
    CountView,
    EndpointView,
    FieldView,
    LinkView,
    ReportView,
    VerdictView,
)

CHIPS: Final = 3
"""Changes named in an endpoint's row; the rest is behind it."""

FROM_ENDPOINTS: Final = 3
"""From so many endpoints on, one change on all of them is shown as one."""

GROUP_SHOWN: Final = 5

REASONS: Final = 8
"""Checks listed as reasons; the rest is behind a fold."""

_TONES: Final = {Word.PASS: "pass", Word.FAIL: "fail", Word.INCONCLUSIVE: "wait"}
_GLYPHS: Final = {Word.PASS: "✓", Word.FAIL: "✕", Word.INCONCLUSIVE: "?"}
_HEADLINES: Final = {
    Word.PASS: "Safe to release",
    Word.FAIL: "Block the release",
    Word.INCONCLUSIVE: "Not enough evidence",
}
_FILTERS: Final = {
    "regressed": ("Regressed", State.REGRESSED),
    "noise": ("Only noise", State.ONLY_NOISE),
    "same": ("Same", State.SAME),
    "uncompared": ("Not compared", State.NOT_COMPARED),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a session is shown: the page's address says it all, so that every state has a link."""

    show: str = ""
    signature: str = ""
    example: int = 1

    def link(self, anchor: str = "", **changes: object) -> str:
        """The address of the page with some of it changed."""
        values = {"show": self.show, "signature": self.signature, "example": self.example, **changes}
        query = {
            name: value
            for name, value in values.items()
            if value not in ("", None) and not (name == "example" and value == 1)
        }
        return f"?{urlencode(query)}{anchor and f'#{anchor}'}"


def build(
    verdict: Verdict,
    kept: Mapping[str, Sequence[str]],
    wanted: Wanted,
    example: ExampleView | None,
    sessions: Sequence[LinkView] = (),
    events: str = "",
    saved: Mapping[str, ExampleView] | None = None,
    samples: Mapping[str, str] | None = None,
) -> ReportView:
    """The view. ``kept`` are the ids of kept diffs by signature, newest first.

    ``saved`` are, for a page that stands alone, the examples it carries, by signature; ``samples`` one
    difference of each, in words.
    """
    report, facts = verdict.report, verdict.facts
    shown, filters = _filtered(report.endpoints, wanted)
    chosen = chosen_signature(verdict, kept, wanted)
    totals = report.totals
    checks = list(_grouped(verdict.checks))
    deciding = [check for check in checks if _decides(verdict, check)]
    others = [check for check in checks if not _decides(verdict, check)]
    candidate = facts.candidate or "unknown build"
    return ReportView(
        title=f"{verdict.word} · {facts.service} {facts.primary_version} → {candidate}",
        service=facts.service,
        candidate=candidate,
        primary=facts.primary_version or "unknown build",
        session=facts.session,
        window=_window(facts.first_us, facts.last_us),
        coverage=coverage(verdict),
        policy=report.policy.id,
        verdict=verdict_view(verdict),
        checks=tuple(map(check_view, deciding[:REASONS])),
        quiet_checks=tuple(map(check_view, [*deciding[REASONS:], *others])),
        quiet_summary=_quiet_summary(deciding[REASONS:], others),
        filters=() if saved is not None else filters,
        endpoints=tuple(
            _endpoint(each, _Links(kept, wanted, chosen, saved, samples or {})) for each in shown
        ),
        example=example,
        examples=tuple({each.id: each for each in (saved or {}).values()}.values()),
        skipped=tuple(_uncompared(verdict)),
        skipped_total=f"{sum(totals.skipped.values()) + sum(totals.unpaired.values()) + facts.dropped:,}",
        rules=tuple(
            CountView(rule.note or f"rule {rule.id}", f"{rule.ignored:,}")
            for rule in sorted(report.rules, key=lambda rule: -rule.ignored)
        ),
        noise=tuple(_noise(report.endpoints)),
        proposals=tuple(_proposals(verdict, chosen)),
        signature=chosen,
        groups=tuple(_groups(report.endpoints)),
        suggestions=tuple(
            CountView(each.rule, "", f"{each.endpoint}: {each.why}") for each in report.suggestions
        ),
        latency=tuple(_latency(report.endpoints)),
        sessions=tuple(sessions),
        events=events,
        made=f"Made {_clock(verdict.now_us)}. Intervals hold at every look, however often one looks.",
    )


def chosen_signature(verdict: Verdict, kept: Mapping[str, Sequence[str]], wanted: Wanted) -> str:
    """The signature whose example is shown: the one asked for, else the worst that has one."""
    if wanted.signature:
        return wanted.signature
    return next((one.id for one in verdict.report.signatures if kept.get(one.id)), "")


def verdict_view(verdict: Verdict) -> VerdictView:
    """The band on top."""
    word = verdict.word
    return VerdictView(str(word), _TONES[word], _GLYPHS[word], _HEADLINES[word], _sentence(verdict))


def _sentence(verdict: Verdict) -> str:
    """One sentence that names the worst thing."""
    regressed = [each for each in verdict.report.endpoints if each.state is State.REGRESSED]
    compared = verdict.report.totals.compared
    worst = _worst(regressed)
    match verdict.word:
        case Word.PASS:
            tail = (
                f" {_count(len(regressed), 'endpoint')} differ within what is tolerated." if regressed else ""
            )
            return (
                f"{compared:,} pairs compared, and nothing differs by more than the policy tolerates.{tail}"
            )
        case Word.FAIL:
            head = f"{_count(len(regressed), 'endpoint')} changed behaviour. " if regressed else ""
            return head + (f"Worst: {worst}" if worst else verdict.summary)
        case Word.INCONCLUSIVE:
            need = f" About {verdict.need:,} more pairs decide." if verdict.need else ""
            seen = f" Seen so far: {worst}" if worst else ""
            return f"{_open(verdict.reasons)}{need}{seen}"


def _open(reasons: Sequence[Check]) -> str:
    """What is missing for a decision, in a sentence."""
    if not reasons:
        return "Nothing was compared yet."
    first = next((check for check in reasons if not check.endpoint), None)
    if first is None:
        return f"{_count(len(reasons), 'check')} undecided."
    more = f", and {_count(len(reasons) - 1, 'check')} undecided" if len(reasons) > 1 else ""
    parts = [first.measure, f"wanted {first.limit}" if first.limit else ""]
    numbers = ", ".join(part for part in parts if part)
    return f"Missing: {first.name}{f' ({numbers})' if numbers else ''}{more}."


def _worst(regressed: Sequence[EndpointReport]) -> str:
    for endpoint in regressed:
        for place in endpoint.fields:
            if place.regressed and place.signatures:
                one = place.signatures[0]
                noise = (
                    f"; v1 disagrees with itself there in {place.noise}" if place.noise is not None else ""
                )
                return (
                    f"{endpoint.endpoint} — {_change_sentence(one)} in {one.differ} of "
                    f"{one.differ.total:,} pairs{noise}."
                )
    return ""


def _change_sentence(one: SignatureReport) -> str:
    signature = one.signature
    if signature.detail:
        before, _, after = signature.detail.partition("→")
        return f"{signature.field} {before} became {after}"
    words = {
        "missing": "is gone",
        "extra": "is new",
        "type": "has another type",
        "value": "has another value",
        "order": "comes in another order",
    }
    return f"{signature.field} {words.get(signature.kind, signature.kind)}"


_CHANGES: Final = {
    "missing": "− missing in shadow",
    "extra": "+ only in shadow",
    "type": "≠ another type",
    "value": "≠ another value",
    "order": "⇅ another order",
}


def _change(one: SignatureReport) -> str:
    return f"≠ {one.signature.detail}" if one.signature.detail else _CHANGES[one.signature.kind]


def _chip(one: SignatureReport) -> str:
    glyph = {"missing": "−", "extra": "+", "order": "⇅"}.get(one.signature.kind, "≠")
    detail = f" {one.signature.detail}" if one.signature.detail else ""
    kind = " type" if one.signature.kind == "type" else ""
    return f"{glyph} {one.signature.field}{detail}{kind}"


def _grouped(checks: Sequence[Check]) -> Iterator[Check]:
    """The checks, with those of one name that pass as one line: what passes needs no list."""
    passing: dict[tuple[str, str, Mode], list[Check]] = {}
    for check in checks:
        if check.result is Word.PASS and check.endpoint and check.mode is not Mode.OFF:
            passing.setdefault((check.code, check.name, check.mode), []).append(check)
    done: set[tuple[str, str, Mode]] = set()
    for check in checks:
        key = (check.code, check.name, check.mode)
        if check.mode is Mode.OFF:
            continue
        if check.result is Word.PASS and check.endpoint:
            if key not in done:
                done.add(key)
                same = passing[key]
                where = check.endpoint if len(same) == 1 else _count(len(same), "endpoint")
                yield replace(
                    check,
                    endpoint=where,
                    measure=check.measure if len(same) == 1 else "all within the limit",
                )
        else:
            yield check


def _decides(verdict: Verdict, check: Check) -> bool:
    """Whether a check is a reason for the verdict: what is undecided is none where something fails."""
    return check.holds_up and not (verdict.word is Word.FAIL and check.result is not Word.FAIL)


def _quiet_summary(reasons: Sequence[Check], others: Sequence[Check]) -> str:
    """What the checks are that are not listed, in a line: further reasons, and what is no reason."""
    undecided = sum(check.holds_up for check in others)
    passing = sum(check.mode is Mode.GATING and check.result is Word.PASS for check in others)
    advisory = sum(check.mode is Mode.ADVISORY for check in others)
    said = {"more like these": len(reasons), "undecided": undecided, "passed": passing, "advisory": advisory}
    parts = [f"{count:,} {word}" for word, count in said.items() if count]
    return f"Other checks: {', '.join(parts)}" if parts else ""


def check_view(check: Check) -> CheckView:
    """One line of why. An advisory check that does not pass is shown without colour."""
    advisory = check.mode is Mode.ADVISORY
    return CheckView(
        tone="mute" if advisory else _TONES[check.result],
        glyph=_GLYPHS[check.result],
        what=" ".join(part for part in (f"{check.endpoint} {check.field}".strip(), "·", check.name) if part)
        if check.endpoint
        else check.name[:1].upper() + check.name[1:],
        measured=check.measure,
        limit=f"limit {check.limit}" if check.limit else "",
        note="advisory, does not decide" if advisory else "",
    )


def _filtered(
    endpoints: Sequence[EndpointReport], wanted: Wanted
) -> tuple[list[EndpointReport], tuple[LinkView, ...]]:
    counts = {name: sum(each.state is state for each in endpoints) for name, (_, state) in _FILTERS.items()}
    # What is worth looking at first: the first group that has anything.
    show = wanted.show or next((name for name, count in counts.items() if count), "all")
    links = [
        LinkView(
            text, wanted.link("endpoints", show=name, signature="", example=1), show == name, counts[name]
        )
        for name, (text, _) in _FILTERS.items()
    ]
    links.append(
        LinkView(
            "All",
            wanted.link("endpoints", show="all", signature="", example=1),
            show not in _FILTERS,
            len(endpoints),
        )
    )
    state = _FILTERS[show][1] if show in _FILTERS else None
    return [each for each in endpoints if state is None or each.state is state], tuple(links)


@dataclass(frozen=True, slots=True)
class _Links:
    """Where examples are: on this page or on another state of it."""

    kept: Mapping[str, Sequence[str]]
    wanted: Wanted
    chosen: str
    saved: Mapping[str, ExampleView] | None
    samples: Mapping[str, str]

    def example(self, signature: str) -> LinkView | None:
        """The link to the first example of a signature; None where there is none."""
        count = len(self.kept.get(signature, ()))
        if self.saved is not None:
            shown = self.saved.get(signature)
            return None if shown is None else LinkView("example", f"#example-{shown.id}")
        if not count:
            return None
        current = signature == self.chosen
        return LinkView(
            f"example {min(self.wanted.example, count) if current else 1} of {count}",
            self.wanted.link("example", signature=signature, example=1),
            current,
        )


def _endpoint(each: EndpointReport, links: _Links) -> EndpointView:
    regressed = [one for place in each.fields if place.regressed for one in place.signatures]
    word = each.excess.word
    failing = each.state is State.REGRESSED
    names = [_chip(one) for one in regressed]
    if not names:
        names = [f"~ {place.field}" for place in each.fields if place.noisy or place.serve_time]
    judged = each.excess
    noise = judged.noise.value if judged.noise is not None else None
    return EndpointView(
        id=f"endpoint-{short_hash('endpoint', each.endpoint)}",
        route=each.endpoint,
        tone="fail" if failing else _TONES[word],
        glyph=_GLYPHS[word],
        chips=tuple(names[:CHIPS]),
        more=max(0, len(names) - CHIPS),
        pairs=f"{each.compared:,}",
        differ=str(judged.differ),
        noise="unknown" if judged.noise is None else str(judged.noise),
        net="–" if judged.net is None else percent(judged.net) if judged.noise else str(judged.differ),
        bar=Bar(
            100 * (judged.differ.value or 0.0),
            100 * (noise or 0.0),
            100 * judged.interval.lower,
            100 * judged.interval.upper,
        ),
        fields=tuple(_fields(each, links)),
        open=any(one.id == links.chosen for place in each.fields for one in place.signatures),
        state=each.state.value,
        notes=tuple(_notes(each)),
    )


def _notes(each: EndpointReport) -> Iterator[str]:
    if each.compared:
        need = "" if each.excess.word is not Word.INCONCLUSIVE else ", not decided yet"
        yield (
            f"Excess over noise {each.excess.net_text}, tolerated {percent(each.excess.tolerance)}{need}. "
            f"{each.raw.count:,} of {each.raw.total:,} pairs differ; at least "
            f"{_count(each.distinct_requests, 'distinct request')} seen."
        )
    for reason, count in sorted(each.skipped.items()):
        yield f"{count:,} not compared: {reason}."
    for (role, reason), count in sorted(each.unpaired.items()):
        yield f"{count:,} of the {role} alone: {_words(reason)}."


def _fields(each: EndpointReport, links: _Links) -> Iterator[FieldView]:
    """One line a signature, noise and ignored last."""
    for quiet in (False, True):
        for place in each.fields:
            if place.regressed is quiet:
                continue
            for one in place.signatures:
                yield _signature(place, one, links)
            if not place.signatures:
                yield _quiet(each, place)


def _signature(place: FieldReport, one: SignatureReport, links: _Links) -> FieldView:
    return FieldView(
        id=f"signature-{one.id}",
        field=place.field,
        change=_change(one),
        risk=one.risk,
        differ=str(one.differ),
        noise="–" if place.noise is None else str(place.noise),
        net="noise" if place.noisy else place.excess.net_text,
        disposition="noise" if place.noisy else "regression",
        note="; ".join(map(str, place.changes)),
        sample="" if one.signature.detail else links.samples.get(one.id, ""),
        example=links.example(one.id),
    )


def _quiet(each: EndpointReport, place: FieldReport) -> FieldView:
    """A field that differs in no way that counts: serve-time values, control noise, ignored by rules."""
    ignored = sum(place.ignored.values())
    serve_time = sum(place.serve_time.values())
    count = ignored or serve_time or place.differ.count
    reason = "ignored by rule" if ignored else next(iter(place.serve_time), "v1 disagrees with itself")
    return FieldView(
        id=f"field-{short_hash('place', each.endpoint, place.field)}",
        field=place.field,
        change=f"~ {reason}" if not ignored else f"· {reason}",
        risk="",
        differ=str(Rate(min(count, each.compared), each.compared)),
        noise="–" if place.noise is None else str(place.noise),
        net="ignored" if ignored else "noise",
        disposition="ignored" if ignored else "noise",
        note="; ".join(map(str, place.changes)),
    )


def _proposals(verdict: Verdict, chosen: str) -> Iterator[CountView]:
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


def _groups(endpoints: Sequence[EndpointReport]) -> Iterator[CountView]:
    """Changes that are the same on several endpoints: one cause, most likely, and one thing to review."""
    found: dict[tuple[str, str, str], list[SignatureReport]] = {}
    for each in endpoints:
        for place in each.fields:
            for one in place.signatures if place.regressed else ():
                signature = one.signature
                found.setdefault((signature.field, signature.kind, signature.detail), []).append(one)
    for same in found.values():
        if len(same) >= FROM_ENDPOINTS:
            where = ", ".join(one.signature.endpoint for one in same[:GROUP_SHOWN])
            more = f" and {len(same) - GROUP_SHOWN} more" if len(same) > GROUP_SHOWN else ""
            yield CountView(_chip(same[0]), _count(len(same), "endpoint"), where + more)


def _uncompared(verdict: Verdict) -> Iterator[CountView]:
    totals = verdict.report.totals
    for reason, count in sorted(totals.skipped.items(), key=lambda item: -item[1]):
        yield CountView(reason, f"{count:,}", "pair not compared")
    for (role, reason), count in sorted(totals.unpaired.items(), key=lambda item: -item[1]):
        yield CountView(f"{role} alone: {_words(reason)}", f"{count:,}", "response without its twin")
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
                yield CountView(f"{each.endpoint} {place.field}", f"{count:,} pairs", evidence)


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


def coverage(verdict: Verdict) -> str:
    """How much of what was captured was compared."""
    totals = verdict.report.totals
    alone = sum(totals.unpaired.values())
    whole = totals.examined + alone
    return f"{totals.compared:,} pairs compared of {whole:,} captured"


def _window(first_us: int | None, last_us: int | None) -> str:
    if first_us is None or last_us is None:
        return "nothing captured yet"
    first, last = (datetime.fromtimestamp(at / 1_000_000, UTC) for at in (first_us, last_us))
    if first.date() == last.date():
        return f"{first:%d %b %H:%M}–{last:%H:%M} UTC"
    return f"{first:%d %b %H:%M} – {last:%d %b %H:%M} UTC"


def _clock(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / 1_000_000, UTC):%d %b %Y %H:%M:%S} UTC"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _words(reason: str) -> str:
    return reason.replace("_", " ")
