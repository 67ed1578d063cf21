"""Rules: what the team says about differences. None are read yet; the empty set judges everything a regression."""  # noqa: E501

# ruff: noqa: ARG002
from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from differ.core.model import Kind
from differ.core.paths import Path
from differ.core.values import Value
from differ.core.walk import Order, Steps


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a file."""

    id: str
    note: str


class Scoped:
    """The rules in force for the answers of one endpoint."""

    def judge(self, path: Path, kind: Kind, primary: Value, shadow: Value) -> Rule | None:
        """The rule that excuses a difference, None for a regression."""
        return None

    def ordering(self, steps: Steps) -> Order | None:
        """How an array is paired where its order does not count, None where it does."""
        return None


@dataclass(frozen=True)
class RuleSet:
    """All rules of a file."""

    rules: tuple[Rule, ...] = ()
    digest: str = ""

    EMPTY: ClassVar[RuleSet]

    def effective(self, today: date, candidate: str) -> RuleSet:
        """The rules in force on a day for a candidate."""
        return self

    def scoped(self, service: str, endpoint: str, status: int) -> Scoped | None:
        """The rules for one kind of answer; None where there are none."""
        return None


RuleSet.EMPTY = RuleSet()
NO_RULES = RuleSet.EMPTY
