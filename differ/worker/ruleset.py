"""The rules in force: of a file and of reviews, read anew whenever they change, never left half-read.

A file that has become wrong changes nothing: the rules before it stay in force, and the fault is
logged and counted until it is mended.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from differ.core import rules as core_rules
from differ.core.rules import RuleSet
from differ.store.reviews import Reviews
from differ.store.settlement import SessionId
from mirrordiff.process.logs import logger

log = logger("differ.worker.ruleset")


class Rules:
    """Rules by session. Raises RulesError or OSError at first; a later fault only keeps the old rules.

    Those of reviews are in force from the first `refresh` on.
    """

    def __init__(self, file: Path | None, reviews: Reviews) -> None:
        self._file = file
        self._stamp = self._stat()
        self._from_file = RuleSet.EMPTY if file is None else core_rules.parse_rules(file.read_text("utf-8"))
        self._reviews = reviews
        self._reviewed: list[str] = []
        self._whole = self._from_file
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
        """Take over what has changed since the last time. Raises what Redis does where it is away."""
        # First what may fail: a changed file is noticed once.
        reviewed = [review.rule for review in await self._reviews.everything()]
        from_file = self._changed_file()
        today = _today()
        if from_file is None and (reviewed, today) == (self._reviewed, self._today):
            return
        told = from_file is not None or reviewed != self._reviewed
        self._from_file = self._from_file if from_file is None else from_file
        self._reviewed, self._today, self._effective = reviewed, today, {}
        self._whole, left_out = core_rules.with_reviewed(self._from_file, reviewed, today)
        if told:
            log.info("rules_taken", rules=len(self._whole.rules), digest=self._whole.digest)
        if left_out:
            log.warning("reviews_left_out", reviews=left_out, hint="they conflict with the rules file")

    def _changed_file(self) -> RuleSet | None:
        """The rules of the file where it is another than the last time, and right."""
        stamp = self._stat()
        if self._file is None or stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            rules = core_rules.parse_rules(self._file.read_text("utf-8"))
        except (core_rules.RulesError, OSError, UnicodeDecodeError) as error:
            self.faulty = True
            problems = len(error.problems) if isinstance(error, core_rules.RulesError) else 1
            log.error("rules_not_taken", problems=problems, hint="mirrordiff rules check FILE")  # noqa: TRY400
            return None
        self.faulty = False
        return rules

    def _stat(self) -> tuple[int, int] | None:
        try:
            status = self._file.stat() if self._file is not None else None
        except OSError:
            return None
        return None if status is None else (status.st_mtime_ns, status.st_size)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()
