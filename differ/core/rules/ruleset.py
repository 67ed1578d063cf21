"""A set of rules, and what it says about one difference."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import ClassVar, Final

from differ.core.model import Kind
from differ.core.paths import Part, Path
from differ.core.rules.pattern import RUN, Pattern, Token, match_tokens, meet
from differ.core.rules.verbs import (
    Expected,
    Ignore,
    Unordered,
    Verb,
    applies,
    excuses,
    kinds_of,
    reaches_inside,
)
from differ.core.values import Value
from differ.core.walk import Steps


@dataclass(frozen=True, slots=True)
class Scope:
    """The answers that a rule is about; an empty part means all of them.

    ``services`` and ``endpoints`` may hold ``*`` for any run of characters. A status is a code or a
    class (``2xx``), and is the primary's.
    """

    services: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    def holds(self, service: str, endpoint: str, status: int) -> bool:
        """Whether an answer is in the scope."""
        return (
            _any_glob(self.services, service)
            and _any_glob(self.endpoints, endpoint)
            and (not self.statuses or bool({str(status), f"{status // 100}xx"}.intersection(self.statuses)))
        )

    def meets(self, other: Scope) -> bool:
        """Whether some answer may be in both scopes."""
        return (
            _globs_meet(self.services, other.services)
            and _globs_meet(self.endpoints, other.endpoints)
            and _statuses_meet(self.statuses, other.statuses)
        )


def _glob(text: str) -> tuple[Token, ...]:
    return tuple(RUN if char == "*" else char for char in text)


def _any_glob(globs: tuple[str, ...], text: str) -> bool:
    return not globs or any(match_tokens(_glob(glob), text) for glob in globs)


def _globs_meet(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return not a or not b or any(meet(_glob(x), _glob(y)) for x in a for y in b)


def _statuses_meet(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return not a or not b or any(_status_in(x, y) or _status_in(y, x) for x in a for y in b)


def _status_in(status: str, other: str) -> bool:
    return status == other or (other.endswith("xx") and status[:1] == other[:1])


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    ``id`` is made of what the rule does and where, so it stays the same when a file is sorted or a
    note reworded. ``until`` is the last day on which it applies. ``line`` is where its file has it.
    """

    verb: Verb
    pattern: Pattern
    note: str
    scope: Scope = Scope()
    owner: str = ""
    ticket: str = ""
    until: date | None = None
    line: int = 0
    id: str = ""

    def expired(self, today: date) -> bool:
        """Whether the rule no longer applies on a day."""
        return self.until is not None and today > self.until

    def conflicts(self, other: Rule) -> bool:
        """Whether both may be about one difference, so that their order would decide which excuses it.

        Two rules that ignore do not conflict, and one that ignores wins over one that does not.
        """
        if isinstance(self.verb, Ignore) or isinstance(other.verb, Ignore):
            return self.id == other.id
        return (
            bool(kinds_of(self.verb) & kinds_of(other.verb))
            and not _told_apart(self.verb, other.verb)
            and self.scope.meets(other.scope)
            and self.pattern.meets(
                other.pattern,
                inside=reaches_inside(self.verb),
                other_inside=reaches_inside(other.verb),
            )
        )


def _told_apart(a: Verb, b: Verb) -> bool:
    """Whether two approved changes are of other values or other candidates, and so never meet."""
    if not isinstance(a, Expected) or not isinstance(b, Expected):
        return False
    return (a.values is not None and b.values is not None and a.values != b.values) or (
        a.candidate is not None and b.candidate is not None and a.candidate != b.candidate
    )


def identify(rule: Rule) -> Rule:
    """The rule with its id, a short digest of all that decides what it excuses."""
    verb = rule.verb
    meaning = repr((type(verb).__name__, _parts(verb), rule.pattern.part, rule.pattern.tokens, rule.scope))
    return replace(rule, id=hashlib.sha256(meaning.encode()).hexdigest()[:8])


def _parts(verb: Verb) -> tuple[object, ...]:
    parts = [getattr(verb, name) for name in type(verb).__slots__ if name != "classes"]
    return tuple(sorted(part) if isinstance(part, frozenset) else part for part in parts)


class Scoped:
    """The rules in force for answers of one endpoint and status."""

    __slots__ = ("_about", "_rules", "_unordered")

    def __init__(self, rules: Iterable[Rule]) -> None:
        # Ignoring wins; among several that ignore, the one that says most exactly where.
        self._rules = sorted(
            rules, key=lambda rule: (not isinstance(rule.verb, Ignore), -rule.pattern.literals, rule.id)
        )
        self._unordered = [rule for rule in self._rules if isinstance(rule.verb, Unordered)]
        self._about: dict[Path, tuple[Rule, ...]] = {}

    def judge(self, path: Path, kind: Kind, primary: Value, shadow: Value) -> Rule | None:
        """The rule that excuses a difference, None for a regression."""
        about = self._about.get(path)
        if about is None:
            about = tuple(rule for rule in self._rules if applies(rule.verb, rule.pattern, path))
            if len(self._about) >= MAX_PLACES:
                self._about.clear()
            self._about[path] = about
        for rule in about:
            if excuses(rule.verb, kind, primary, shadow):
                return rule
        return None

    def ordering(self, steps: Steps) -> Unordered | None:
        """How an array is paired where its order does not count, None where it does."""
        for rule in self._unordered:
            if isinstance(rule.verb, Unordered) and rule.pattern.matches(Path(Part.BODY, "", steps)):
                return rule.verb
        return None


MAX_PLACES: Final = 10_000
"""Places for which the rules about them are remembered, a few megabytes at most."""

MAX_SCOPES: Final = 4_096
"""Endpoints and statuses for which the rules are remembered; a service has some hundreds."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules of which no two that do not ignore can meet, so that their order means nothing."""

    rules: tuple[Rule, ...] = ()
    _scopes: dict[tuple[str, str, int], Scoped | None] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    _digest: list[str] = field(default_factory=list, init=False, compare=False, repr=False)

    EMPTY: ClassVar[RuleSet]

    @property
    def digest(self) -> str:
        """12 hex digits that two sets share if they judge alike: notes, owners and order do not count."""
        if not self._digest:
            ids = ",".join(sorted(rule.id for rule in self.rules))
            self._digest.append(hashlib.sha256(ids.encode()).hexdigest()[:12])
        return self._digest[0]

    def expired(self, today: date) -> tuple[Rule, ...]:
        """The rules whose last day is past."""
        return tuple(rule for rule in self.rules if rule.expired(today))

    def effective(self, today: date, candidate: str, service: str | None = None) -> RuleSet:
        """The rules in force on a day for a candidate: none that is expired or meant for another one.

        With a service, none that is for other services alone: then the digest changes only with rules
        that this service is judged by.
        """
        kept = tuple(
            rule
            for rule in self.rules
            if not rule.expired(today)
            and not (isinstance(rule.verb, Expected) and rule.verb.candidate not in (None, candidate))
            and (service is None or _any_glob(rule.scope.services, service))
        )
        return self if len(kept) == len(self.rules) else RuleSet(kept)

    def scoped(self, service: str, endpoint: str, status: int) -> Scoped | None:
        """The rules about answers of one endpoint and status; None where there are none."""
        if not self.rules:
            return None
        place = (service, endpoint, status)
        if place not in self._scopes:
            if len(self._scopes) >= MAX_SCOPES:
                self._scopes.clear()
            found = [rule for rule in self.rules if rule.scope.holds(*place)]
            self._scopes[place] = Scoped(found) if found else None
        return self._scopes[place]


RuleSet.EMPTY = RuleSet()
NO_RULES: Final = RuleSet.EMPTY
