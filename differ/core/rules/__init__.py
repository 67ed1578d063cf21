"""Rules: which differences are agreed on, each with a note that says why.

``parse_rules`` reads a file, :class:`RuleSet` is what it holds, ``RuleSet.effective`` leaves those in
force on a day for a candidate, and a comparison asks the set. The format is in
:mod:`differ.core.rules.file`, what each verb excuses in :mod:`differ.core.rules.verbs`.
"""

from differ.core.rules.file import parse_rules
from differ.core.rules.problems import Problem, RulesError
from differ.core.rules.reviewed import conflicting, reviewed_rule, with_reviewed
from differ.core.rules.ruleset import NO_RULES, Rule, RuleSet, Scope, Scoped

__all__ = [
    "NO_RULES",
    "Problem",
    "Rule",
    "RuleSet",
    "RulesError",
    "Scope",
    "Scoped",
    "conflicting",
    "parse_rules",
    "reviewed_rule",
    "with_reviewed",
]
