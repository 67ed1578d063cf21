"""Reading a strict YAML document: every problem is kept with its line, and none stops the reading."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, TypeVar

import yaml

Choice = TypeVar("Choice", bound=StrEnum)

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


class PolicyError(Exception):
    """A policy that cannot be used. ``problems`` has a line of text for each fault, in line order."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Faults:
    """The problems found so far; false while there are none.

    With ``secret`` none of them repeats anything of the document but names that are known.
    """

    def __init__(self, *, secret: bool = False) -> None:
        self.secret = secret
        self._found: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, line: int, text: str) -> None:
        """Keep a problem; lines count from 1."""
        self._found.append((line, text))

    def raise_if_any(self) -> None:
        """Raise PolicyError with all problems, if there are any."""
        if self._found:
            raise PolicyError([f"line {line}: {text}" for line, text in sorted(self._found)])


def open_document(text: str, faults: Faults, name: str = "the policy") -> Entry | None:
    """The root of a YAML document; None where it is empty or cannot be read (then faults say why).

    ``name`` is what faults call it.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        problem = "" if faults.secret else error.problem
        faults.add(line, f"not YAML: {problem or 'unreadable'}")
        return None
    except (yaml.YAMLError, RecursionError):
        faults.add(1, "not YAML: a character or a nesting that YAML does not allow")
        return None
    if node is None or (isinstance(node, yaml.ScalarNode) and node.value == ""):
        return None
    return Entry(node, name)


class Entry:
    """A place in the document. A reader that finds another thing keeps a fault and gives a harmless value."""

    def __init__(self, node: yaml.Node, name: str) -> None:
        self._node = node
        self._name = name

    @property
    def line(self) -> int:
        """Counted from 1."""
        return int(self._node.start_mark.line) + 1

    @property
    def is_mapping(self) -> bool:
        """Whether it has members."""
        return isinstance(self._node, yaml.MappingNode)

    def members(self, known: Collection[str], faults: Faults, needs: Iterable[str] = ()) -> dict[str, Entry]:
        """The members by name; unknown, repeated and lacking ones are faults."""
        if not isinstance(self._node, yaml.MappingNode):
            self._fault(faults, f"write {_listed(known)} as name: value")
            return {}
        found: dict[str, Entry] = {}
        for key, value in self._node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            line = int(key.start_mark.line) + 1
            if name not in known:
                told = "unknown key" if faults.secret else f"unknown key {name!r}"
                close = get_close_matches(name, known, 1)
                hint = f"did you mean {close[0]}?" if close else f"known are {_listed(known)}"
                faults.add(line, f"{told} in {self._name}: {hint}")
            elif name in found:
                faults.add(line, f"{name} is given twice, first in line {found[name].line}")
            else:
                found[name] = Entry(value, name)
        for name in needs:
            if name not in found:
                self._fault(faults, f"{name} is missing")
        return found

    def items(self, faults: Faults) -> list[Entry]:
        """The items of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            self._fault(faults, "write a list")
            return []
        return [Entry(item, f"an item of {self._name}") for item in self._node.value]

    def text(self, faults: Faults) -> str:
        """Text that is not empty."""
        if isinstance(self._node, yaml.ScalarNode) and self._node.value:
            return str(self._node.value)
        self._fault(faults, "write text")
        return ""

    def boolean(self, faults: Faults) -> bool:
        """true or false."""
        if self._scalar() not in ("true", "false"):
            self._fault(faults, "write true or false")
        return self._scalar() == "true"

    def whole(self, faults: Faults, *, least: int) -> int:
        """A whole number."""
        text = self._scalar()
        if not re.fullmatch(r"\d{1,15}", text) or int(text) < least:
            self._fault(faults, f"write a whole number from {least} up")
            return least
        return int(text)

    def share(self, faults: Faults, *, one: bool = False) -> float:
        """A share between 0 and 1, both excluded (1 included with ``one``); ``0.5 %`` is a share too."""
        text = self._scalar()
        bare = text.removesuffix("%").rstrip()
        value = float(bare) / (100 if bare != text else 1) if _NUMBER.fullmatch(bare) else -1.0
        if 0 < value < 1 or (one and value == 1):
            return value
        self._fault(faults, "write a share over 0 and under 1, for example 0.005 or 0.5%")
        return 0.5

    def seconds(self, faults: Faults) -> float:
        """A span of time, in seconds: a number with ms, s, m, h or d."""
        text = self._scalar()
        found = _DURATION.fullmatch(text)
        if found is None and text != "0":
            self._fault(faults, "write a time with its unit: 30s, 5m, 2h or 7d")
        return float(found[1]) * _UNITS[found[2]] if found else 0.0

    def choice(self, of: type[Choice], faults: Faults) -> Choice:
        """One of a few words."""
        known = [one.value for one in of]
        return of(self.word(known, faults) or known[0])

    def word(self, known: Collection[str], faults: Faults) -> str:
        """One of the known words; empty where it is another."""
        text = self._scalar()
        if text in known:
            return text
        self._fault(faults, f"write one of {_listed(known)}")
        return ""

    def _scalar(self) -> str:
        return str(self._node.value) if isinstance(self._node, yaml.ScalarNode) else ""

    def _fault(self, faults: Faults, wanted: str) -> None:
        shown = f" is {self._scalar()!r}" if self._scalar() and not faults.secret else ""
        faults.add(self.line, f"{self._name}{shown}: {wanted}")


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
