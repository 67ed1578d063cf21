"""Regular expressions in time linear in the text.

Python's own may take exponential time, and the texts come from outside. This is the part of their
syntax that needs no going back: literals, classes, ``.``, groups, ``|``, ``* + ? {m,n}``, ``(?i)`` in
front. A pattern always has to match the whole text, so ``^`` and ``$`` at its ends are allowed and
change nothing. Method: Thompson's automaton (1968), its sets of states remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_STATES: Final = 2_000
"""Size of one automaton; counted repetition multiplies it."""

MAX_REMEMBERED: Final = 5_000
"""Steps that are remembered before they are forgotten and found again; about a megabyte."""


class ExpressionError(ValueError):
    """An expression that cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class _Char:
    test: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Sequence:
    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    part: _Node
    least: int
    most: int | None


_Node = _Char | _Sequence | _Choice | _Repeat

_COUNT: Final = re.compile(r"\{(\d{1,4})(,?)(\d{0,4})\}")

# \b, \B, \A, \Z and back-references are about more than one character.
_ESCAPED: Final = re.compile(r"\\(?:[dDwWsSntrfv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^A-Za-z0-9])")


class Expression:
    """A compiled expression. Raises ExpressionError."""

    def __init__(self, text: str) -> None:
        parser = _Parser(text)
        node = parser.parse()
        self._tests: list[re.Pattern[str]] = []
        self._edges: list[list[tuple[int, int]]] = []  # state → (test, next), or (-1, next) for no character
        self._end = self._state()
        self._start = self._build(node, self._end)
        self._first = self._closure({self._start})
        self._next: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def matches(self, text: str) -> bool:
        """Whether the whole of ``text`` is matched."""
        states = self._first
        for char in text:
            following = self._next.get((states, char))
            if following is None:
                following = self._step(states, char)
            if not following:
                return False
            states = following
        return self._end in states

    def _step(self, states: frozenset[int], char: str) -> frozenset[int]:
        following = self._closure(
            {
                after
                for state in states
                for test, after in self._edges[state]
                if test >= 0 and self._tests[test].match(char)
            }
        )
        if len(self._next) >= MAX_REMEMBERED:
            self._next.clear()
        self._next[states, char] = following
        return following

    def _closure(self, states: set[int]) -> frozenset[int]:
        found: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state not in found:
                found.add(state)
                waiting += [after for test, after in self._edges[state] if test < 0]
        return frozenset(found)

    def _state(self) -> int:
        if len(self._edges) >= MAX_STATES:
            raise ExpressionError(f"is too large: its counts multiply to more than {MAX_STATES:,} states")
        self._edges.append([])
        return len(self._edges) - 1

    def _build(self, node: _Node, after: int) -> int:
        """The state from which ``node`` leads to the state ``after``."""
        match node:
            case _Char(test):
                state = self._state()
                self._tests.append(test)
                self._edges[state].append((len(self._tests) - 1, after))
                return state
            case _Sequence(parts):
                for part in reversed(parts):
                    after = self._build(part, after)
                return after
            case _Choice(options):
                state = self._state()
                self._edges[state] += [(-1, self._build(option, after)) for option in options]
                return state
            case _Repeat(part, least, most):
                if most is None:
                    loop = self._state()
                    self._edges[loop] += [(-1, self._build(part, loop)), (-1, after)]
                    after = loop
                else:
                    end = after
                    for _ in range(most - least):
                        state = self._state()
                        self._edges[state] += [(-1, self._build(part, after)), (-1, end)]
                        after = state
                for _ in range(least):
                    after = self._build(part, after)
                return after


class _Parser:
    def __init__(self, text: str) -> None:
        self._flags = re.IGNORECASE if text.startswith("(?i)") else re.NOFLAG
        text = text.removeprefix("(?i)").removeprefix("^")
        if text.endswith("$") and (len(text) - len(text[:-1].rstrip("\\"))) % 2 == 1:
            text = text[:-1]
        self._text = text
        self._at = 0

    def parse(self) -> _Node:
        try:
            node = self._choice()
        except RecursionError:
            raise ExpressionError("is nested too deeply") from None
        if self._at < len(self._text):
            raise ExpressionError("has a ')' without its '('")
        return node

    def _peek(self, length: int = 1) -> str:
        return self._text[self._at : self._at + length]

    def _choice(self) -> _Node:
        options = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else _Choice(tuple(options))

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else _Sequence(tuple(parts))

    def _atom(self) -> _Node:
        char = self._peek()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == "\\":
            match = _ESCAPED.match(self._text, self._at)
            if match is None:
                raise ExpressionError(f"has {self._peek(2)!r}, which is not supported")
            self._at = match.end()
            return self._char(match[0])
        if char in "*+?{":
            raise ExpressionError(f"repeats nothing with {char!r}")
        if char in "^$":
            raise ExpressionError(f"has {char!r} inside, where it can match nothing")
        self._at += 1
        return self._char("." if char == "." else re.escape(char))

    def _group(self) -> _Node:
        if self._peek(2) == "(?" and self._peek(3) != "(?:":
            raise ExpressionError(f"has {self._peek(3)!r}, which is not supported")
        self._at += 3 if self._peek(3) == "(?:" else 1
        node = self._choice()
        if self._peek() != ")":
            raise ExpressionError("has a '(' without its ')'")
        self._at += 1
        return node

    def _class(self) -> _Node:
        start = self._at
        end = start + 2 if self._peek(2) == "[^" else start + 1
        end += self._text[end : end + 1] == "]"
        while end < len(self._text) and self._text[end] != "]":
            end += 2 if self._text[end] == "\\" else 1
        if end >= len(self._text):
            raise ExpressionError("has a '[' without its ']'")
        self._at = end + 1
        return self._char(self._text[start : end + 1])

    def _char(self, source: str) -> _Char:
        try:
            return _Char(re.compile(source, self._flags))
        except re.error as error:
            raise ExpressionError(f"has a class that cannot be read: {error}") from None

    def _repeated(self, node: _Node) -> _Node:
        char = self._peek()
        if char in ("*", "+", "?"):
            self._at += 1
            node = _Repeat(node, int(char == "+"), 1 if char == "?" else None)
        elif char == "{":
            match = _COUNT.match(self._text, self._at)
            if match is None:
                raise ExpressionError("has a '{' that is no count: write \\{ for the character")
            self._at = match.end()
            least = int(match[1])
            most = least if not match[2] else int(match[3]) if match[3] else None
            if most is not None and most < least:
                raise ExpressionError(f"has the count {match[0]}, whose end is before its start")
            node = _Repeat(node, least, most)
        else:
            return node
        if self._peek() == "?":  # lazy: the same texts match
            self._at += 1
        elif self._peek() in ("*", "+", "{"):
            raise ExpressionError("repeats a repetition")
        return node
