"""What rules do to pairs that are at hand: which differences each excuses, and which rule does nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from differ.core.compare import Where, compare
from differ.core.model import Disposition, Kind, Response, Result
from differ.core.rules import Rule, RuleSet

Signature = tuple[str, str, Kind]
"""Endpoint, field and kind: what a person reviews once."""


@dataclass(frozen=True, slots=True)
class Example:
    """A pair, and what it answers."""

    primary: Response
    shadow: Response
    where: Where
    name: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one rule did.

    ``differences`` are those that it excused, in ``pairs`` pairs and under ``signatures``. ``decided``
    pairs are same because of it: without it, and with all other rules, they would not be.
    """

    rule: Rule
    differences: int = 0
    pairs: int = 0
    decided: int = 0
    signatures: frozenset[Signature] = frozenset()


@dataclass(frozen=True, slots=True)
class Preview:
    """What a set of rules does to a number of pairs."""

    effects: tuple[Effect, ...]
    results: dict[Result, int]

    @property
    def idle(self) -> tuple[Rule, ...]:
        """The rules that excused nothing."""
        return tuple(effect.rule for effect in self.effects if effect.differences == 0)


def preview(
    rules: RuleSet, examples: Iterable[Example], progress: Callable[[], None] = lambda: None
) -> Preview:
    """Compares every pair under the rules, which are those in force; calls ``progress`` after each."""
    excused: dict[str, list[Signature]] = {rule.id: [] for rule in rules.rules}
    pairs = dict.fromkeys(excused, 0)
    decided = dict.fromkeys(excused, 0)
    results = dict.fromkeys(Result, 0)
    for example in examples:
        outcome = compare(example.primary, example.shadow, rules, example.where)
        results[outcome.result] += 1
        used: set[str] = set()
        for finding in outcome.findings:
            if finding.disposition is Disposition.IGNORED:
                used.add(finding.rule_id)
                field = str(finding.difference.path.generalised())
                excused[finding.rule_id].append((example.where.endpoint, field, finding.difference.kind))
        for name in used:
            pairs[name] += 1
            if outcome.result is Result.SAME:
                others = RuleSet(tuple(rule for rule in rules.rules if rule.id != name))
                without = compare(example.primary, example.shadow, others, example.where)
                decided[name] += without.result is Result.DIFFERENT
        progress()
    effects = (
        Effect(rule, len(excused[rule.id]), pairs[rule.id], decided[rule.id], frozenset(excused[rule.id]))
        for rule in rules.rules
    )
    return Preview(tuple(effects), results)
