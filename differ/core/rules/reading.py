"""Reading a YAML document by its nodes, so that every fault is told with its line."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, Protocol, TypeVar

import yaml

from differ.core.rules.problems import Problem

MAX_CHARACTERS: Final = 256 * 1024
"""Of a rule file: more than a thousand rules, and what the parser reads in about two seconds."""

MAX_DEPTH: Final = 20
"""Nesting of a rule file. Rules need five levels, and the parser's time grows with its square."""

_Result = TypeVar("_Result")

_STRING: Final = "tag:yaml.org,2002:str"
_INTEGER: Final = "tag:yaml.org,2002:int"
_NUMBERS: Final = (_INTEGER, "tag:yaml.org,2002:float")
_DATE: Final = "tag:yaml.org,2002:timestamp"


@dataclass(slots=True)
class Reader:
    """Takes nodes apart and keeps a list of what is wrong with them."""

    problems: list[Problem] = field(default_factory=list)

    def problem(self, node: yaml.Node | None, text: str) -> None:
        """Note a fault at a node."""
        self.problems.append(Problem(node.start_mark.line + 1 if node is not None else 1, text))

    def document(self, text: str) -> yaml.Node | None:
        """The root of the only document in ``text``."""
        if len(text) > MAX_CHARACTERS:
            self.problem(None, f"the file has more than {MAX_CHARACTERS:,} characters")
            return None
        try:
            depth = 0
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_DEPTH:
                    self.problems.append(Problem(_line(event.start_mark), "nested too deeply"))
                    return None
                if isinstance(event, yaml.AliasEvent):
                    # A few of them nested make a document of any size.
                    line = _line(event.start_mark)
                    self.problems.append(Problem(line, "aliases (*name) are not allowed"))
                    return None
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            self._not_yaml(error)
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.problems.append(Problem(line, "not YAML: a character that is not allowed"))
        return None

    def _not_yaml(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark if error.problem_mark is not None else error.context_mark
        line = _line(mark)
        # In braces an unquoted [ starts a list, and this is how it shows.
        hint = "; put a path with [ ] in quotation marks" if "'['" in str(error.problem) else ""
        self.problems.append(Problem(line, f"not YAML: {error.problem}{hint}"))

    def mapping(
        self, node: yaml.Node, what: str, known: Collection[str], required: Collection[str] = ()
    ) -> dict[str, yaml.Node]:
        """The values of a mapping by key; unknown, repeated and lacking keys are problems."""
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, f"{what} is to be a mapping with the keys {_listed(known)}")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name not in known:
                self.problem(key, f"{what} has the unknown key {name!r}; known are {_listed(known)}")
            elif name in found:
                self.problem(key, f"{what} has the key {name!r} twice")
            else:
                found[name] = value
        for name in required:
            if name not in found:
                self.problem(node, f"{what} lacks the key {name!r}")
        return found

    def sequence(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """The elements of a list."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self.problem(node, f"{what} is to be a list")
        return []

    def text(self, node: yaml.Node | None, what: str) -> str | None:
        """A string that is not empty; None, and a problem, for anything else."""
        if node is None:
            return None
        if not isinstance(node, yaml.ScalarNode) or node.tag != _STRING:
            self.problem(node, f"{what} is to be a text; put it in quotation marks if it is one")
            return None
        if not node.value.strip():
            self.problem(node, f"{what} is empty")
            return None
        return str(node.value)

    def texts(self, node: yaml.Node | None, what: str) -> tuple[str, ...]:
        """A string, or a list of them."""
        if node is None:
            return ()
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not nodes:
            self.problem(node, f"{what} is empty")
        return tuple(text for item in nodes if (text := self.text(item, what)) is not None)

    def scalar(self, node: yaml.Node | None, what: str) -> str | None:
        """A string or an integer, as text."""
        if isinstance(node, yaml.ScalarNode) and node.tag == _INTEGER:
            return str(node.value)
        return self.text(node, what)

    def number(self, node: yaml.Node | None, what: str) -> Decimal | None:
        """A positive number, exactly as it is spelled."""
        if node is None:
            return None
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS:
            try:
                number = Decimal(node.value)
            except ArithmeticError:
                number = Decimal(0)
            if number.is_finite() and number > 0:
                return number
        self.problem(node, f"{what} is to be a number above 0")
        return None

    def day(self, node: yaml.Node | None, what: str) -> date | None:
        """A date."""
        if node is None:
            return None
        if isinstance(node, yaml.ScalarNode) and node.tag in (_DATE, _STRING):
            try:
                return date.fromisoformat(node.value)
            except ValueError:
                pass
        self.problem(node, f"{what} is to be a date such as 2027-01-31")
        return None

    def parsed(self, node: yaml.Node | None, what: str, parse: Callable[[str], _Result]) -> _Result | None:
        """A text that ``parse`` reads; the ValueError it raises is the problem."""
        text = self.text(node, what)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.problem(node, f"{what} {text!r} {error}")
            return None


class _Mark(Protocol):
    @property
    def line(self) -> int:
        """From 0."""


def _line(mark: _Mark | None) -> int:
    return 1 if mark is None else mark.line + 1


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)
