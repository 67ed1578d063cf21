"""From a pair to everything that is said of it: outcome, noise, counts, and which signatures it shows."""

from __future__ import annotations

import msgspec

from differ.core.compare import Where, compare
from differ.core.lifting.protobuf import Schemas
from differ.core.model import Disposition, Finding, Outcome, Role
from differ.core.noise import mark_serve_time
from differ.core.pair import Pair
from differ.core.rules import RuleSet
from differ.core.signature import signature_of
from differ.core.tally import count


class Examination(msgspec.Struct, frozen=True):
    """What was found out about one pair. ``control`` is of primary against control."""

    outcome: Outcome
    control: Outcome | None
    counts: dict[str, int]


def examine(pair: Pair, rules: RuleSet, schemas: Schemas | None = None) -> Examination:
    """Judge a pair. ``rules`` are those in force; total, as everything it is made of is."""
    where = Where(pair.service, pair.endpoint)
    outcome = compare(pair.primary, pair.shadow, rules, where, schemas)
    if outcome.findings:
        outcome = mark_serve_time(outcome, pair)
    control = None
    if pair.control is not None:
        control = compare(pair.primary, pair.control, rules, where, schemas)
        if control.findings:
            control = mark_serve_time(control, pair, Role.CONTROL)
    return Examination(outcome, control, count(pair, outcome, control))


def examine_control(pair: Pair, rules: RuleSet, schemas: Schemas | None = None) -> Examination:
    """Judge a pair that was counted before, now that its control has come.

    The counts are what the control alone adds: counted before plus counted now is what ``examine``
    would have counted, had the control been there at first.
    """
    whole = examine(pair, rules, schemas)
    before = count(pair, whole.outcome, None)
    added = {name: amount - before.get(name, 0) for name, amount in whole.counts.items()}
    return Examination(
        whole.outcome, whole.control, {name: amount for name, amount in added.items() if amount}
    )


def signatures_shown(pair: Pair, outcome: Outcome) -> list[tuple[Finding, str]]:
    """Each finding with the id of its signature."""
    return [(finding, signature_of(pair, finding).id) for finding in outcome.findings]


def worth_keeping(outcome: Outcome) -> bool:
    """Whether a pair shows something that a person may want to look at: any difference not ignored."""
    return any(finding.disposition is not Disposition.IGNORED for finding in outcome.findings)
