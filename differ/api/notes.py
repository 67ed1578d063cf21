"""The notes of the rules in force, by rule id: the tally counts ids, and a report shows why."""

from __future__ import annotations

from pathlib import Path

from differ.core.rules import RulesError, parse_rules


class RuleNotes:
    """Reads the rules' file whenever it has changed. Raises RulesError and OSError at first only.

    A file that has become wrong leaves the notes before it: the workers go on with those rules too.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._changed_ns = 0
        self._notes: dict[str, str] = {}
        if file is not None:
            self._changed_ns = file.stat().st_mtime_ns
            self._notes = _notes(file)

    def read(self) -> dict[str, str]:
        """Notes by rule id."""
        if self._file is not None:
            try:
                changed_ns = self._file.stat().st_mtime_ns
                if changed_ns != self._changed_ns:
                    self._changed_ns = changed_ns
                    self._notes = _notes(self._file)
            except (OSError, UnicodeDecodeError, RulesError):
                pass
        return self._notes


def _notes(file: Path) -> dict[str, str]:
    return {rule.id: rule.note for rule in parse_rules(file.read_text("utf-8")).rules}
