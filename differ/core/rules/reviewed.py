"""Rules made by review, put to those of the rules file. The file wins where both cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from differ.core.rules.file import parse_rules
from differ.core.rules.problems import RulesError
from differ.core.rules.ruleset import Rule, RuleSet


def reviewed_rule(text: str) -> Rule | None:
    """The rule in the YAML of a list of one; None where it is no rule."""
    try:
        rules = parse_rules(f"rules:\n{text}").rules
    except RulesError:
        return None
    return rules[0] if len(rules) == 1 else None


def with_reviewed(rules: RuleSet, texts: Iterable[str], today: date) -> tuple[RuleSet, int]:
    """The rules with the reviewed ones in force on a day, and how many of those had to be left out.

    Left out is what is no rule, and what conflicts with a rule before it: of the file, or of an earlier
    review. No order of two rules decides anything in what comes out, as in every set.
    """
    whole, left_out = list(rules.rules), 0
    for text in texts:
        rule = reviewed_rule(text)
        if rule is None:
            left_out += 1
        elif not rule.expired(today):
            if conflicting(whole, rule, today) is None:
                whole.append(rule)
            else:
                left_out += 1
    return (rules if len(whole) == len(rules.rules) else RuleSet(tuple(whole))), left_out


def conflicting(rules: Iterable[Rule], rule: Rule, today: date) -> Rule | None:
    """The first of the rules in force on a day that may be about the same difference; None where none is."""
    return next((each for each in rules if not each.expired(today) and each.conflicts(rule)), None)
