"""The notes of the rules in force, by rule id: the tally counts ids, and a report shows why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from differ.core.rules import NO_RULES, RulesError, RuleSet, parse_rules, with_reviewed


class RuleNotes:
    """Reads the rules' file whenever it has changed. Raises RulesError and OSError at first only.

    A file that has become wrong leaves the notes before it: the workers go on with those rules too.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._changed_ns = 0
        self._rules = NO_RULES
        if file is not None:
            self._changed_ns = file.stat().st_mtime_ns
            self._rules = parse_rules(file.read_text("utf-8"))

    def of(self, service: str, candidate: str, reviewed: Sequence[str] = ()) -> dict[str, str]:
        """Notes by rule id, of the rules that a candidate of a service is judged by today; ``reviewed`` are
        those of reviews, as YAML."""
        today = dt.datetime.now(dt.UTC).date()
        rules, _ = with_reviewed(self.from_file(), reviewed, today)
        return {rule.id: rule.note for rule in rules.effective(today, candidate, service).rules}

    def from_file(self) -> RuleSet:
        """The rules of the file as it is now."""
        if self._file is not None:
            try:
                changed_ns = self._file.stat().st_mtime_ns
                if changed_ns != self._changed_ns:
                    self._changed_ns = changed_ns
                    self._rules = parse_rules(self._file.read_text("utf-8"))
            except (OSError, UnicodeDecodeError, RulesError):
                pass
        return self._rules
