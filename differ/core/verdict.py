"""May v2 be released? PASS, FAIL or INCONCLUSIVE, with every check behind the answer.

FAIL if one gating check fails. PASS if every gating check passes, those of the evidence itself among
them: there is no verdict from nothing. All else is INCONCLUSIVE, and says what is missing.

Each family of tests (mismatches, distributions, latency) errs with at most the policy's alpha, however
often and however long one looks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from differ.core.checks import Check, Code
from differ.core.criticals import criticals
from differ.core.endpoint_checks import (
    EndpointVerdict,
    endpoint_checks,
    endpoint_verdicts,
    pool_check,
    pool_of,
)
from differ.core.excess import Excess, Word
from differ.core.facts import SessionFacts
from differ.core.policy import Mode, OnInconclusive, Policy
from differ.core.preconditions import preconditions
from differ.core.report import summarise
from differ.core.report_model import Report

_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Latched:
    """A decision that stands: the first one, but that FAIL replaces PASS.

    FAIL's bound holds at every look, so that no later look has to be refused. It stands for one epoch of
    one candidate under one policy, and with one noise profile: ``profile_us`` is when that was taken.
    """

    verdict: Word
    decided_us: int
    pairs: int
    reasons: tuple[Check, ...]
    session: str
    candidate: str
    epoch: str
    policy_id: str
    profile_us: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. ``checks`` has every check, ``pool`` the judgement on quiet endpoints together.

    ``need`` is about how many more pairs decide, None where that cannot be said or nothing is open.
    ``final``: the decision is latched.
    """

    word: Word
    checks: tuple[Check, ...]
    endpoints: tuple[EndpointVerdict, ...]
    pool: Excess | None
    report: Report
    facts: SessionFacts
    now_us: int
    final: bool = False
    decided_us: int | None = None
    standing: tuple[Check, ...] = ()

    @property
    def reasons(self) -> tuple[Check, ...]:
        """The gating checks that do not pass, FAIL first; of a latched decision those it was made for."""
        if self.standing:
            return self.standing
        open_checks = [check for check in self.checks if check.holds_up]
        if self.word is Word.FAIL:
            open_checks = [check for check in open_checks if check.result is Word.FAIL]
        return tuple(open_checks)

    @property
    def need(self) -> int | None:
        """About how many more pairs decide."""
        missing = [check.need - (check.have or 0) for check in self.reasons if check.need is not None]
        return max(missing, default=None)

    @property
    def summary(self) -> str:
        """The verdict and its first reason in one line."""
        if not self.reasons:
            return f"{self.word}: {self.report.totals.compared} pairs compared"
        more = len(self.reasons) - 1
        return f"{self.word}: {self.reasons[0].message}" + (f" (and {more} more)" if more else "")


def judge(report: Report, policy: Policy, facts: SessionFacts, now_us: int) -> Verdict:
    """Judge a report by a policy. ``now_us`` is in microseconds since the Unix epoch.

    Pure: the same arguments give the same verdict. Where the report was made with another policy it is
    made anew, so that the numbers in it are those judged (`Verdict.report`).
    """
    if report.policy != policy:
        report = summarise(report.tally, report.facts, policy)
    elapsed = _elapsed(facts, now_us)
    endpoints = endpoint_verdicts(report, policy, elapsed)
    pool = pool_of([one.report for one in endpoints if one.pooled])
    checks = [
        *preconditions(report, policy, facts, now_us),
        *criticals(report, policy),
        *(check for one in endpoints for check in endpoint_checks(one, policy)),
        *pool_check(pool, report.totals.compared),
    ]
    word = _overall(checks)
    if word is Word.INCONCLUSIVE and elapsed >= policy.deadline * _SECOND:
        late = _deadline(policy, checks, report.totals.compared)
        checks.append(late)
        word = late.result
    ranked = sorted(checks, key=lambda check: (not check.holds_up, check.result is not Word.FAIL))
    return Verdict(word, tuple(ranked), endpoints, pool, report, facts, now_us)


def latch(previous: Latched | None, verdict: Verdict) -> Latched | None:
    """The decision that stands after this verdict; None while there is none.

    One made in another epoch, by another policy, with another noise profile or of another candidate does
    not stand.
    """
    facts, policy = verdict.facts, verdict.report.policy
    profile_us = None if facts.profile is None else facts.profile.taken_us
    if previous is not None and (
        previous.session,
        previous.candidate,
        previous.epoch,
        previous.policy_id,
        previous.profile_us,
    ) != (
        facts.session,
        facts.candidate,
        facts.epoch,
        policy.id,
        profile_us,
    ):
        previous = None
    undecided = verdict.word is Word.INCONCLUSIVE
    if undecided or (previous is not None and (previous.verdict is Word.FAIL or verdict.word is Word.PASS)):
        return previous
    return Latched(
        verdict=verdict.word,
        decided_us=verdict.now_us,
        pairs=verdict.report.totals.compared,
        reasons=verdict.reasons,
        session=facts.session,
        candidate=facts.candidate,
        epoch=facts.epoch,
        policy_id=policy.id,
        profile_us=profile_us,
    )


def standing(verdict: Verdict, latched: Latched | None) -> Verdict:
    """The verdict as it is given out: with the decision that stands, where there is one."""
    if latched is None:
        return verdict
    return replace(
        verdict,
        word=latched.verdict,
        final=True,
        decided_us=latched.decided_us,
        standing=latched.reasons,
    )


def _overall(checks: list[Check]) -> Word:
    words = {check.result for check in checks if check.mode is Mode.GATING}
    if Word.FAIL in words:
        return Word.FAIL
    return Word.INCONCLUSIVE if Word.INCONCLUSIVE in words else Word.PASS


def _elapsed(facts: SessionFacts, now_us: int) -> int:
    opened = facts.opened_us if facts.opened_us is not None else facts.first_us
    return max(0, now_us - opened) if opened is not None else 0


_WAITABLE: Final = frozenset(
    {
        Code.INSUFFICIENT_PAIRS,
        Code.INSUFFICIENT_CONTROL,
        Code.FEW_DISTINCT_REQUESTS,
        Code.NEAR_TOLERANCE,
        Code.SHORT_WINDOW,
    }
)


def _deadline(policy: Policy, checks: list[Check], compared: int) -> Check:
    """What the policy makes of being undecided at the deadline; it never makes a PASS of no evidence."""
    result = Word.INCONCLUSIVE
    match policy.on_inconclusive:
        case OnInconclusive.FAIL:
            result = Word.FAIL
        case OnInconclusive.PASS:
            sound = all(check.code in _WAITABLE for check in checks if check.holds_up)
            result = Word.PASS if sound and compared else Word.INCONCLUSIVE
        case OnInconclusive.HOLD:
            pass
    return Check(
        Code.DEADLINE,
        f"undecided at the deadline of {policy.deadline:g} s: the policy says {policy.on_inconclusive}",
        result,
    )
