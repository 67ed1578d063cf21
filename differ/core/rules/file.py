"""Reading a rule file.

.. code-block:: yaml

    rules:
      - within: {field: $..price, absolute: 0.01}
        where: {service: orders, endpoint: "GET /orders/{id}", status: 200}
        note: v2 rounds half to even, agreed
        owner: payments
        ticket: PAY-311
        until: 2027-01-31

A rule has one verb, a ``note``, and where wanted ``where``, ``owner``, ``ticket`` and ``until`` (the
last day on which it applies). ``service``, ``endpoint`` and ``status`` take one or a list; ``*`` in the
first two is any text, and a status may be a class such as ``2xx``. What each verb takes beside ``field``:

========= ====================================================================================
ignore    ``kinds``: what else or less it excuses (missing, extra, type, value, order)
unordered ``key``: the member that identifies an element
within    ``absolute``, ``relative`` (a share), or ``time`` (``5s``, ``PT30M``)
matches   ``pattern``, which both sides match, or ``classes``: lists of equivalent patterns
same_type nothing
additive  nothing
expected  ``kind``; ``primary`` and ``shadow`` (the two values); ``candidate`` (or ``until``)
========= ====================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import combinations
from typing import Final

import yaml

from differ.core.model import Kind
from differ.core.paths import Part
from differ.core.rules.linear import Expression, ExpressionError
from differ.core.rules.pattern import RUN, Pattern, parse_pattern
from differ.core.rules.problems import Problem, RulesError
from differ.core.rules.reading import Reader
from differ.core.rules.ruleset import Rule, RuleSet, Scope, identify
from differ.core.rules.spans import parse_span
from differ.core.rules.verbs import (
    Additive,
    Expected,
    Ignore,
    Matches,
    SameType,
    Unordered,
    Verb,
    Within,
    name_of,
)

Options = dict[str, yaml.Node]

_AROUND: Final = ("note", "where", "owner", "ticket", "until")


def parse_rules(text: str) -> RuleSet:
    """The rules in a YAML text. Raises RulesError with every problem in it."""
    reader = Reader()
    root = reader.document(text)
    if root is None:
        if not reader.problems:
            reader.problem(None, "the file is empty: write 'rules: []' if there are none")
        raise RulesError(reader.problems)
    rules: list[Rule] = []
    listed = reader.mapping(root, "the file", ("rules",), ("rules",)).get("rules")
    if listed is not None:
        for number, node in enumerate(reader.sequence(listed, "rules"), start=1):
            rule = _rule(reader, node, f"rule {number}")
            if rule is not None:
                rules.append(identify(rule))
    for first, second in combinations(rules, 2):
        if first.conflicts(second):
            reader.problems.append(Problem(second.line, _conflict(first, second)))
    if reader.problems:
        raise RulesError(reader.problems)
    return RuleSet(tuple(rules))


def _conflict(first: Rule, second: Rule) -> str:
    here, there = (
        f"'{name_of(rule.verb)}' for {rule.pattern} (line {rule.line})" for rule in (second, first)
    )
    return f"{here} and {there} can meet in one field: narrow one of them, by its field or by 'where'"


def _rule(reader: Reader, node: yaml.Node, what: str) -> Rule | None:
    before = len(reader.problems)
    parts = reader.mapping(node, what, (*_VERBS, *_AROUND), ("note",))
    verbs = [name for name in parts if name in _VERBS]
    if len(verbs) != 1:
        if parts or len(reader.problems) == before:
            said = " and ".join(verbs) if verbs else "none"
            reader.problem(node, f"{what} is to have one verb ({', '.join(_VERBS)}) and has {said}")
        return None
    note = reader.text(parts.get("note"), f"{what}: note")
    scope = _scope(reader, parts["where"], f"{what}: where") if "where" in parts else Scope()
    owner = reader.text(parts.get("owner"), f"{what}: owner") or ""
    ticket = reader.scalar(parts.get("ticket"), f"{what}: ticket") or ""
    until = reader.day(parts.get("until"), f"{what}: until")
    keys, build = _VERBS[verbs[0]]
    body = parts[verbs[0]]
    where = f"{what}: {verbs[0]}"
    options = reader.mapping(body, where, ("field", *keys), ("field",))
    pattern = reader.parsed(options.get("field"), f"{where}: field", parse_pattern)
    verb = build(reader, options, body, where)
    if isinstance(verb, Expected) and verb.candidate is None and "until" not in parts:
        reader.problem(body, f"{where} needs an end: a candidate, or until")
    if pattern is not None and verb is not None:
        unfit = _unfit(verb, pattern)
        if unfit:
            reader.problem(options["field"], f"{where}: field {str(pattern)!r} {unfit}")
    if note is None or pattern is None or verb is None or len(reader.problems) > before:
        return None
    return Rule(verb, pattern, note, scope, owner, ticket, until, node.start_mark.line + 1)


def _unfit(verb: Verb, pattern: Pattern) -> str:
    """Why a verb cannot be used for a field, or nothing."""
    in_body = pattern.part is Part.BODY
    if isinstance(verb, Unordered) and not in_body:
        return "is no array: only what is in the body can be unordered"
    if isinstance(verb, Additive) and pattern.part is Part.STATUS:
        return "cannot have more members"
    reaching = isinstance(verb, Ignore | SameType | Expected)
    if isinstance(verb, Additive):
        return ""  # $ and header.* are the usual fields here
    if pattern.too_broad and (reaching or not in_body or RUN in pattern.tokens):
        return "is too broad: name at least one member, or most of a header's name"
    return ""


def _scope(reader: Reader, node: yaml.Node, what: str) -> Scope:
    parts = reader.mapping(node, what, ("service", "endpoint", "status"))
    if isinstance(node, yaml.MappingNode) and not node.value:
        reader.problem(node, f"{what} is empty: leave it out to mean everywhere")
    statuses: list[str] = []
    status = parts.get("status")
    if status is not None:
        for item in status.value if isinstance(status, yaml.SequenceNode) else [status]:
            text = reader.scalar(item, f"{what}: status")
            if text is not None and not re.fullmatch(r"[1-5]([0-9]{2}|xx)", text):
                reader.problem(item, f"{what}: status {text!r} is no status: write 200 or 2xx")
            elif text is not None:
                statuses.append(text)
    return Scope(
        reader.texts(parts.get("service"), f"{what}: service"),
        reader.texts(parts.get("endpoint"), f"{what}: endpoint"),
        tuple(statuses),
    )


def _kind(reader: Reader, node: yaml.Node, what: str) -> Kind | None:
    text = reader.text(node, what)
    if text is None:
        return None
    if text not in list(Kind):
        reader.problem(node, f"{what} {text!r} is no kind of difference: {', '.join(Kind)}")
        return None
    return Kind(text)


def _ignore(reader: Reader, options: Options, node: yaml.Node, what: str) -> Verb | None:  # noqa: ARG001
    listed = options.get("kinds")
    if listed is None:
        return Ignore()
    items = reader.sequence(listed, f"{what}: kinds")
    kinds = frozenset(kind for item in items if (kind := _kind(reader, item, f"{what}: kinds")) is not None)
    if not kinds:
        reader.problem(listed, f"{what}: kinds is empty")
    return Ignore(kinds)


def _unordered(reader: Reader, options: Options, node: yaml.Node, what: str) -> Verb | None:  # noqa: ARG001
    return Unordered(reader.text(options.get("key"), f"{what}: key"))


def _within(reader: Reader, options: Options, node: yaml.Node, what: str) -> Verb | None:
    if not options.keys() & {"absolute", "relative", "time"}:
        reader.problem(node, f"{what} needs a bound: absolute, relative or time")
    if "time" in options and len(options.keys() & {"absolute", "relative"}):
        reader.problem(node, f"{what} has bounds for numbers and for times: make it two rules")
    relative = reader.number(options.get("relative"), f"{what}: relative")
    if relative is not None and relative >= 1:
        reader.problem(options["relative"], f"{what}: relative is a share below 1, for example 0.01 for 1 %")
    return Within(
        reader.number(options.get("absolute"), f"{what}: absolute"),
        relative,
        reader.parsed(options.get("time"), f"{what}: time", _span),
    )


def _span(text: str) -> timedelta:
    span = parse_span(text)
    if span is None or span.total_seconds() <= 0:
        raise ValueError("is no span of time: write 5s, 250ms or PT30M")
    return span


_PROBES: Final = ("-", "0", "x", "q~! 7|ÿ漢", "Zz 09 _-./:+{}[]\"'" * 40)
"""Texts that have nothing in common but that a pattern matching all of them matches nearly anything."""


def _expression(text: str) -> tuple[str, Expression]:
    try:
        expression = Expression(text)
    except ExpressionError as error:
        raise ValueError(str(error)) from None
    if all(map(expression.matches, _PROBES)):
        raise ValueError("is too broad: it matches nearly any text (to allow that, use same_type)")
    return text, expression


def _matches(reader: Reader, options: Options, node: yaml.Node, what: str) -> Verb | None:
    if len(options.keys() & {"pattern", "classes"}) != 1:
        reader.problem(node, f"{what} needs either pattern or classes")
        return None
    groups: list[list[yaml.Node]] = []
    if "pattern" in options:
        groups.append([options["pattern"]])
    else:
        for group in reader.sequence(options["classes"], f"{what}: classes"):
            groups.append(reader.sequence(group, f"{what}: classes: each class"))
            if not groups[-1]:
                reader.problem(group, f"{what}: classes: a class is empty")
        if not groups:
            reader.problem(options["classes"], f"{what}: classes is empty")
    parsed = [[reader.parsed(item, f"{what}: pattern", _expression) for item in group] for group in groups]
    good = [[item for item in group if item is not None] for group in parsed]
    return Matches(
        tuple(tuple(text for text, _ in group) for group in good),
        tuple(tuple(expression for _, expression in group) for group in good),
    )


def _expected(reader: Reader, options: Options, node: yaml.Node, what: str) -> Verb | None:
    if "kind" not in options:
        reader.problem(node, f"{what} lacks the key 'kind'")
        return None
    kind = _kind(reader, options["kind"], f"{what}: kind")
    if ("primary" in options) != ("shadow" in options):
        reader.problem(node, f"{what} needs both values, primary and shadow, or neither")
    values = None
    if "primary" in options and "shadow" in options:
        values = (_value(reader, options["primary"], what), _value(reader, options["shadow"], what))
    candidate = reader.scalar(options.get("candidate"), f"{what}: candidate")
    return None if kind is None else Expected(kind, values, candidate)


def _value(reader: Reader, node: yaml.Node, what: str) -> object:
    if isinstance(node, yaml.ScalarNode):
        try:
            loaded: object = yaml.constructor.SafeConstructor().construct_object(node)
        except (yaml.YAMLError, ValueError):
            loaded = node  # a tag such as !!int on what is none
        if loaded is None or isinstance(loaded, str | int | float):
            return loaded
    reader.problem(node, f"{what}: an approved value is to be a text, a number, true, false or null")
    return None


_Build = Callable[[Reader, Options, yaml.Node, str], Verb | None]

_VERBS: Final[dict[str, tuple[tuple[str, ...], _Build]]] = {
    "ignore": (("kinds",), _ignore),
    "unordered": (("key",), _unordered),
    "within": (("absolute", "relative", "time"), _within),
    "matches": (("pattern", "classes"), _matches),
    "same_type": ((), lambda *_: SameType()),
    "additive": ((), lambda *_: Additive()),
    "expected": (("kind", "primary", "shadow", "candidate"), _expected),
}
