"""Patterns of fields: ``$.items[*].price``, ``$..id``, ``header.x-*``, ``status``.

In the body ``.name``, ``['name']`` and ``[3]`` are themselves; ``[*]`` and ``.*`` are any member or
element, as in RFC 9535; ``..`` is any number of steps, also none. In the name of a header or trailer
``*`` is any run of characters. Names of headers ignore case.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from differ.core.paths import Part, Path


class PatternError(ValueError):
    """A pattern that cannot be read; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Any:
    """Matches any one thing."""


@dataclass(frozen=True, slots=True)
class Run:
    """Matches any number of things, also none."""


ANY: Final = Any()
RUN: Final = Run()

Token = Hashable
"""ANY, RUN, or what has to be equal: a step, or a character of a name."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """The fields that a rule is about."""

    part: Part
    tokens: tuple[Token, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        return self.text

    def matches(self, path: Path) -> bool:
        """Whether ``path`` is one of the fields."""
        return self.part is path.part and match_tokens(self.tokens, _things(path))

    def covers(self, path: Path) -> bool:
        """Whether ``path`` is one of the fields, or inside one of them."""
        return self.part is path.part and match_tokens((*self.tokens, *_INSIDE[self.part]), _things(path))

    def holds(self, path: Path) -> bool:
        """Whether ``path`` is inside one of the fields, and not the field itself."""
        return self.part is path.part and match_tokens(
            (*self.tokens, ANY, *_INSIDE[self.part]), _things(path)
        )

    def meets(self, other: Pattern, *, inside: bool, other_inside: bool) -> bool:
        """Whether some field is of both patterns, each taken with what is inside where so said."""
        return self.part is other.part and meet(
            (*self.tokens, *_INSIDE[self.part]) if inside else self.tokens,
            (*other.tokens, *_INSIDE[self.part]) if other_inside else other.tokens,
        )

    @property
    def literals(self) -> int:
        """How much a pattern pins down: names and positions in the body, characters elsewhere."""
        if self.part in (Part.STATUS, Part.LATENCY):
            return 1
        return sum(token is not ANY and token is not RUN for token in self.tokens)

    @property
    def too_broad(self) -> bool:
        """Whether it pins down next to nothing: a slip of the pen would silence most of a response."""
        if self.part in (Part.HEADER, Part.TRAILER):
            return self.literals < 2
        return self.literals == 0


_INSIDE: Final[dict[Part, tuple[Token, ...]]] = {
    Part.BODY: (RUN,),
    Part.HEADER: (),
    Part.TRAILER: (),
    Part.STATUS: (),
    Part.LATENCY: (),
}


def _things(path: Path) -> Sequence[Token]:
    return path.steps if path.part is Part.BODY else path.name


def match_tokens(tokens: Sequence[Token], things: Sequence[Token]) -> bool:
    """Whether the tokens match all of the things; the greedy matching of wildcards, never exponential."""
    token = thing = 0
    back: tuple[int, int] | None = None
    while thing < len(things):
        if token < len(tokens) and tokens[token] is RUN:
            back = (token, thing)
            token += 1
        elif token < len(tokens) and (tokens[token] is ANY or tokens[token] == things[thing]):
            token, thing = token + 1, thing + 1
        elif back is not None:
            back = (back[0], back[1] + 1)
            token, thing = back[0] + 1, back[1]
        else:
            return False
    return all(rest is RUN for rest in tokens[token:])


def meet(a: Sequence[Token], b: Sequence[Token]) -> bool:
    """Whether something matches both: the states that both automata can reach together."""
    seen: set[tuple[int, int]] = set()
    waiting = [(0, 0)]
    while waiting:
        state = waiting.pop()
        if state in seen:
            continue
        seen.add(state)
        i, j = state
        if i == len(a) and j == len(b):
            return True
        if i < len(a) and a[i] is RUN:
            waiting.append((i + 1, j))
        if j < len(b) and b[j] is RUN:
            waiting.append((i, j + 1))
        if i < len(a) and j < len(b) and (_wild(a[i]) or _wild(b[j]) or a[i] == b[j]):
            waiting.append((i if a[i] is RUN else i + 1, j if b[j] is RUN else j + 1))
    return False


def _wild(token: Token) -> bool:
    return token is ANY or token is RUN


_HEADER: Final = re.compile(r"(header|trailer)\.([-!#$%&'*+.^_`|~0-9A-Za-z]+)")

_SEGMENT: Final = re.compile(
    r"""
    (?P<descend>\.\.)
    | \.(?P<name>[A-Za-z_@\#\u0080-\U0010ffff][-0-9A-Za-z_@\#\u0080-\U0010ffff]*|\*)
    | \[(?P<position>\d+|\*)\]
    | \['(?P<quoted>(?:[^'\\]|\\.)*)'\]
    | \["(?P<double>(?:[^"\\]|\\.)*)"\]
    """,
    re.VERBOSE,
)
_BARE: Final = re.compile(r"[A-Za-z_@#\u0080-\U0010ffff][-0-9A-Za-z_@#\u0080-\U0010ffff]*|\*")

MAX_TOKENS: Final = 200
"""Steps or characters of one pattern; whether two meet takes the product of their lengths."""


def parse_pattern(text: str) -> Pattern:
    """The pattern that ``text`` spells. Raises PatternError."""
    if text == "status":
        return Pattern(Part.STATUS, (), text)
    if text.startswith("$"):
        tokens = _body(text)
    else:
        match = _HEADER.fullmatch(text)
        if match is None:
            raise PatternError("is no field: write $, a path such as $.items[*].price, header.<name>, "
                               "trailer.<name> or status")  # fmt: skip
        tokens = tuple(RUN if char == "*" else char for char in match[2].lower())
        if match[2].lower() == "set-cookie":
            tokens += (RUN,)  # the differences are in header.set-cookie.<name of the cookie>
        if len(tokens) <= MAX_TOKENS:
            return Pattern(Part(match[1]), tokens, text)
    if len(tokens) > MAX_TOKENS:
        raise PatternError(f"is longer than {MAX_TOKENS} steps")
    return Pattern(Part.BODY, tokens, text)


def _body(text: str) -> tuple[Token, ...]:
    tokens: list[Token] = []
    position = 1
    while position < len(text):
        match = _SEGMENT.match(text, position)
        if match is None:
            raise PatternError(f"cannot be read from character {position + 1} on: {text[position:]!r}")
        position = match.end()
        if match["descend"]:
            tokens.append(RUN)
            bare = _BARE.match(text, position)
            if bare is not None:
                tokens.append(_step(bare[0]))
                position = bare.end()
            elif text[position : position + 1] != "[":
                raise PatternError("ends in '..': write $..name")
        elif match["name"]:
            tokens.append(_step(match["name"]))
        elif match["position"]:
            tokens.append(ANY if match["position"] == "*" else int(match["position"]))
        else:
            tokens.append(_unescaped(match["quoted"] if match["quoted"] is not None else match["double"]))
    return tuple(tokens)


def _step(name: str) -> Token:
    return ANY if name == "*" else name


_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def _unescaped(text: str) -> str:
    def char(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(char, text)
