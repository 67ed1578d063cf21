"""What makes a PASS believable: enough evidence, gathered whole, of the candidate that is asked about.

A precondition that is not met makes INCONCLUSIVE, never FAIL: it says something about the evidence and
nothing about the candidate. None of them stands in the way of a FAIL.
"""

from __future__ import annotations

from collections.abc import Iterator

from differ.core.checks import Check, Code, met
from differ.core.excess import Word
from differ.core.facts import Profile, SessionFacts
from differ.core.noise_arm import Source
from differ.core.policy import Mirrored, Mode, Policy, matches
from differ.core.rate import Rate, percent
from differ.core.report_model import Report

_SECOND = 1_000_000
_CLOCKS_APART = 60 * _SECOND


def preconditions(report: Report, policy: Policy, facts: SessionFacts, now_us: int) -> Iterator[Check]:
    """All checks of the evidence itself, met or not."""
    yield from _standing(facts, now_us)
    compared = report.totals.compared
    yield Check(
        Code.INSUFFICIENT_PAIRS,
        "enough pairs compared",
        met(ok=compared >= policy.min_pairs),
        f"{compared:,}",
        f"{policy.min_pairs:,}",
        have=compared,
        need=policy.min_pairs if compared < policy.min_pairs else None,
    )
    yield _window(policy, facts)
    yield _paired(report, policy)
    yield Check(
        Code.LAG,
        "comparing keeps up",
        met(ok=facts.lag_us <= policy.max_lag * _SECOND),
        f"{facts.lag_pairs:,} pairs wait, the oldest for {_time(facts.lag_us / _SECOND)}",
        _time(policy.max_lag),
    )
    lost = facts.dropped + facts.evicted
    yield _share(
        Code.DROPS, "few captures lost", Rate(lost, lost + report.totals.examined), policy.max_dropped
    )
    # An upgraded connection has no response to compare: there is nothing to be unsure of.
    skipped = sum(count for reason, count in report.totals.skipped.items() if not reason.endswith("upgraded"))
    yield _share(Code.SKIPS, "few pairs skipped", Rate(skipped, skipped + compared), policy.max_skipped)
    yield from _required(report, policy)
    # Where a control answers it is listened to instead, and an old profile is no harm.
    if facts.profile is not None and any(one.noise_source is Source.PROFILE for one in report.endpoints):
        yield _profile(facts.profile, policy, now_us)


def _standing(facts: SessionFacts, now_us: int) -> Iterator[Check]:
    """Whether there is a session at all, and one that can be read as it stands."""
    if not facts.exists:
        whose = f"of candidate {facts.candidate!r}" if facts.candidate else "of this service yet"
        yield Check(Code.NO_SESSION, f"no session {whose}", Word.INCONCLUSIVE)
    if facts.store_unavailable:
        yield Check(Code.STORE_UNAVAILABLE, "the store cannot be reached", Word.INCONCLUSIVE)
    if facts.discontinuity:
        yield Check(Code.DISCONTINUITY, "the store lost data while evidence was gathered", Word.INCONCLUSIVE)
    newer = facts.latest_candidate
    if newer is not None and newer != facts.candidate:
        yield Check(
            Code.CANDIDATE_CHANGED,
            "the candidate is the build that answers",
            Word.INCONCLUSIVE,
            f"the newest answers are of {newer!r}",
            repr(facts.candidate),
        )
    first, last = facts.first_us, facts.last_us
    if first is not None and last is not None and (last < first or last > now_us + _CLOCKS_APART):
        yield Check(
            Code.CLOCK_JUMP,
            "clocks agree",
            Word.INCONCLUSIVE,
            "the last pair is before the first" if last < first else "the last pair is in the future",
        )
    if facts.epochs > 1:
        yield Check(
            Code.RULES_CHANGED,
            "rules changed: only pairs judged by the last ones count",
            Word.PASS,
            f"{facts.epochs} sets of rules so far",
            mode=Mode.ADVISORY,
        )
    if len(facts.primary_versions) > 1:
        yield Check(
            Code.PRIMARY_CHANGED,
            "one build of v1 answered all along",
            Word.INCONCLUSIVE,
            f"{len(facts.primary_versions)} builds: {facts.primary_version}",
            "1 build",
            mode=Mode.ADVISORY,
        )


def _window(policy: Policy, facts: SessionFacts) -> Check:
    seconds = 0.0
    if facts.first_us is not None and facts.last_us is not None:
        seconds = max(0.0, (facts.last_us - facts.first_us) / _SECOND)
    return Check(
        Code.SHORT_WINDOW,
        "pairs over enough time",
        met(ok=seconds >= policy.min_duration),
        _time(seconds),
        _time(policy.min_duration),
    )


def paired_rate(report: Report, policy: Policy) -> Rate:
    """Of what was mirrored, how much paired. What was never mirrored is no loss.

    A primary alone may be one whose shadow was lost, or one that was never mirrored; nothing in it tells
    which. Methods of which nothing ever paired (unsafe ones, as a rule) are taken for not mirrored, all
    others for mirrored unless the policy says that only a sample is.
    """
    mirrored = {
        _method(one.endpoint) for one in report.endpoints if one.compared or sum(one.skipped.values())
    }
    alone = sum(
        count
        for one in report.endpoints
        for (role, reason), count in one.unpaired.items()
        if role == "shadow"
        or (
            role == "primary"
            and policy.mirrored is Mirrored.ALL
            and reason != "not_mirrored"
            and (_method(one.endpoint) in mirrored or not mirrored)
        )
    )
    return Rate(report.totals.examined, report.totals.examined + alone)


def _method(endpoint: str) -> str:
    return endpoint.partition(" ")[0]


def _paired(report: Report, policy: Policy) -> Check:
    paired = paired_rate(report, policy)
    enough = (paired.value or 0.0) >= policy.min_paired_ratio
    # Said where it may help: nothing else tells a lost shadow from a request that was never mirrored.
    sampled = " (if only a sample is mirrored, the policy says so with mirrored: sampled)"
    ask = policy.mirrored is Mirrored.ALL and not enough and paired.total > 0
    return Check(
        Code.LOW_PAIRED_RATIO,
        "of what was mirrored, most paired",
        met(ok=enough),
        f"{paired}{sampled if ask else ''}",
        percent(policy.min_paired_ratio),
    )


def _share(code: Code, name: str, rate: Rate, limit: float) -> Check:
    return Check(code, name, met(ok=(rate.value or 0.0) <= limit), str(rate), percent(limit))


def _required(report: Report, policy: Policy) -> Iterator[Check]:
    for pattern in policy.must_be_seen:
        seen = [one for one in report.endpoints if matches(pattern, one.endpoint)]
        compared = sum(one.compared for one in seen)
        skipped = sum(sum(one.skipped.values()) for one in seen)
        yield Check(
            Code.REQUIRED_ENDPOINT_UNSEEN,
            "required endpoint compared",
            met(ok=compared > 0),
            f"{compared:,} pairs" + (f", {skipped:,} skipped" if skipped and not compared else ""),
            "1 pair",
            endpoint=pattern,
            have=compared,
        )


def _profile(profile: Profile, policy: Policy, now_us: int) -> Check:
    age = (now_us - profile.taken_us) / _SECOND
    early = age < -_CLOCKS_APART / _SECOND
    pairs = sum(seen.compared for seen in profile.tally.endpoints.values())
    return Check(
        Code.PROFILE_STALE,
        "noise profile recent",
        met(ok=age <= policy.max_profile_age and not early),
        f"{'from the future' if early else f'{_time(max(0.0, age))} old'}, of {pairs:,} pairs",
        _time(policy.max_profile_age),
    )


def _time(seconds: float) -> str:
    """A span of time as people say it."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
