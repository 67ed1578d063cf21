"""The band on top: may I ship? A verb, and one sentence that names the worst thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from differ.core.checks import Check
from differ.core.excess import Word
from differ.core.report_model import EndpointReport, State
from differ.core.verdict import Verdict
from differ.report.view import VerdictView, WorstView
from differ.report.words import GLYPHS, TONES, change_sentence, counted

_HEADLINES: Final = {
    Word.PASS: "Safe to release",
    Word.FAIL: "Block the release",
    Word.INCONCLUSIVE: "Not enough evidence",
}


_LABELS: Final = {Word.FAIL: "Worst:", Word.INCONCLUSIVE: "Seen so far:"}


def verdict_view(verdict: Verdict, example: Callable[[str], str] | None = None) -> VerdictView:
    """The band. ``example`` gives where a signature is shown, empty where it is nowhere."""
    word = verdict.word
    regressed = [each for each in verdict.report.endpoints if each.state is State.REGRESSED]
    worst = _worst(regressed, _LABELS[word], example) if word in _LABELS else None
    lead = _lead(verdict, len(regressed), named=worst is not None)
    return VerdictView(str(word), TONES[word], GLYPHS[word], _HEADLINES[word], lead, worst)


def coverage(verdict: Verdict) -> str:
    """How much of what was captured was compared."""
    totals = verdict.report.totals
    alone = sum(totals.unpaired.values())
    whole = totals.examined + alone
    return f"{totals.compared:,} pairs compared of {whole:,} captured"


def _lead(verdict: Verdict, regressed: int, *, named: bool) -> str:
    """What is said before the worst thing is named."""
    match verdict.word:
        case Word.PASS:
            compared = f"{verdict.report.totals.compared:,} pairs compared"
            tail = f" {counted(regressed, 'endpoint')} differ within what is tolerated." if regressed else ""
            return f"{compared}, and nothing differs by more than the policy tolerates.{tail}"
        case Word.FAIL:
            head = f"{counted(regressed, 'endpoint')} changed behaviour." if regressed else ""
            return head if named else f"{head} {verdict.summary}".strip()
        case Word.INCONCLUSIVE:
            need = f" About {verdict.need:,} more pairs decide." if verdict.need else ""
            return f"{_open(verdict.reasons)}{need}"


def _open(reasons: Sequence[Check]) -> str:
    """What is missing for a decision, in a sentence."""
    if not reasons:
        return "Nothing was compared yet."
    first = next((check for check in reasons if not check.endpoint), None)
    if first is None:
        return f"{counted(len(reasons), 'check')} undecided."
    more = f", and {counted(len(reasons) - 1, 'check')} undecided" if len(reasons) > 1 else ""
    parts = [first.measure, f"wanted {first.limit}" if first.limit else ""]
    numbers = ", ".join(part for part in parts if part)
    return f"Missing: {first.name}{f' ({numbers})' if numbers else ''}{more}."


def _worst(
    regressed: Sequence[EndpointReport], label: str, example: Callable[[str], str] | None
) -> WorstView | None:
    """What a caller notices first of all that differs."""
    for endpoint in regressed:
        for place in endpoint.fields:
            if place.regressed and place.signatures:
                one = place.signatures[0]
                noise = "" if place.noise is None else f"; v1 disagrees with itself there in {place.noise}"
                what = f"{change_sentence(one)} in {one.differ} of {one.differ.total:,} pairs{noise}."
                return WorstView(label, endpoint.endpoint, what, example(one.id) if example else "")
    return None
