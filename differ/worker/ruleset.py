"""The rules in force: read from a file, read anew whenever it changes, never left half-read.

A file that has become wrong changes nothing: the rules before it stay in force, and the fault is
logged and counted until it is mended.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from differ.core import rules as core_rules
from differ.core.rules import RuleSet
from differ.store.settlement import SessionId
from mirrordiff.process.logs import logger

log = logger("differ.worker.ruleset")


class Rules:
    """Rules by session. Raises RulesError or OSError at first; a later fault only keeps the old rules."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp = self._stat()
        self._whole = RuleSet.EMPTY if file is None else core_rules.parse_rules(file.read_text("utf-8"))
        self._today = _today()
        self._effective: dict[SessionId, RuleSet] = {}
        self.faulty = False

    def of(self, session: SessionId) -> RuleSet:
        """Those in force today that its pairs are judged by."""
        rules = self._effective.get(session)
        if rules is None:
            rules = self._whole.effective(self._today, session.candidate, session.service)
            self._effective[session] = rules
        return rules

    async def refresh(self) -> None:
        """Take over what has changed since the last time."""
        if _today() != self._today:
            self._today, self._effective = _today(), {}
        stamp = self._stat()
        if self._file is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            whole = core_rules.parse_rules(self._file.read_text("utf-8"))
        except (core_rules.RulesError, OSError, UnicodeDecodeError) as error:
            self.faulty = True
            problems = len(error.problems) if isinstance(error, core_rules.RulesError) else 1
            log.error("rules_not_taken", problems=problems, hint="mirrordiff rules check FILE")  # noqa: TRY400
            return
        self.faulty = False
        self._whole, self._effective = whole, {}
        log.info("rules_taken", rules=len(whole.rules), digest=whole.digest)

    def _stat(self) -> tuple[int, int] | None:
        try:
            status = self._file.stat() if self._file is not None else None
        except OSError:
            return None
        return None if status is None else (status.st_mtime_ns, status.st_size)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()
