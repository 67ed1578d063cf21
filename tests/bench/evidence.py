"""Pairs until a release is decided, looked at every 50 pairs, beside two other ways to decide.

*Wilson* is the ordinary 95 % interval for one look, PASS and FAIL by the same tolerance. *Diffy* is the
rule of Twitter's Diffy: a field is shown as a regression where it differs more often than the noise, by
20 % of the sum of both and by 0.03 % of all; it knows neither a tolerance nor a sample size, so it has
an answer at the first look, and what is counted is whether it ever shows a regression.

Simulated and seeded, so the first two tables are the same on every machine. The third is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from math import log
from random import Random
from statistics import median

from differ.core.confidence import ANY, wilson
from differ.core.document import verdict_document
from differ.core.excess import Levels, Word, excess
from differ.core.facts import SessionFacts
from differ.core.model import Outcome, Response
from differ.core.pair import Pair
from differ.core.policy import Policy
from differ.core.rate import Rate, percent
from differ.core.report import summarise
from differ.core.tally import Tally, count
from differ.core.verdict import judge
from tests.core.evidence_kit import SAME, body, finding, outcome, pair

TOLERANCE = 0.005
NOISY_TOLERANCE = 0.05
ALPHA = 0.05
LOOK = 50
PAIRS = 20_000
RELEASES = 200

Look = tuple[Rate, Rate]
"""How often the shadow differs so far, and how often v1 from itself."""

Decide = Callable[[Look], Word]


def looks(random: Random, rate: float, noise: float) -> Iterator[Look]:
    """The counts at every fiftieth pair of one release."""
    for total, (differ, noisy) in enumerate(zip(steps(random, rate), steps(random, noise), strict=True), 1):
        yield Rate(differ, total * LOOK), Rate(noisy, total * LOOK)


def steps(random: Random, rate: float) -> Iterator[int]:
    """How many of the pairs so far differ, at every fiftieth; gaps between them are geometric."""

    def gap() -> float:
        return 1 + int(log(1 - random.random()) / log(1 - rate)) if rate else float("inf")

    next_at, seen = gap(), 0
    for total in range(LOOK, PAIRS + 1, LOOK):
        while next_at <= total:
            seen += 1
            next_at += gap()
        yield seen


def ours(look: Look) -> Word:
    """The gate's judgement on an endpoint without noise."""
    return excess(look[0], None, TOLERANCE, Levels(ALPHA, ALPHA)).word


def ours_noisy(look: Look) -> Word:
    """The gate's judgement on a noisy field."""
    return excess(*look, NOISY_TOLERANCE, Levels(ALPHA, ALPHA), ANY).word


def by_wilson(look: Look, tolerance: float) -> Word:
    """By an interval for one look; the noise as observed is taken off."""
    interval = wilson(look[0].count, look[0].total)
    noise = look[1].value or 0.0
    if interval.lower - noise > tolerance:
        return Word.FAIL
    return Word.PASS if interval.upper - noise <= tolerance else Word.INCONCLUSIVE


def by_diffy(look: Look) -> Word:
    """FAIL where Diffy shows a regression. Where it shows none it never says that this is enough."""
    raw, noise = look[0].count, look[1].count
    shown = (
        raw > noise
        and 100 * abs(raw - noise) / (raw + noise) > 20
        and 100 * abs(raw - noise) / look[0].total > 0.03
    )
    return Word.FAIL if shown else Word.INCONCLUSIVE


def first_decision(decide: Decide, seen: Iterator[Look]) -> tuple[Word, int]:
    """The first word that is not INCONCLUSIVE, and after how many pairs."""
    for look in seen:
        word = decide(look)
        if word is not Word.INCONCLUSIVE:
            return word, look[0].total
    return Word.INCONCLUSIVE, PAIRS


def row(rate: float, noise: float, decides: dict[str, Decide]) -> str:
    """What each way decides at one true rate."""
    cells = []
    for decide in decides.values():
        random = Random(2026)
        said = [first_decision(decide, looks(random, rate, noise)) for _ in range(RELEASES)]
        parts = []
        for word in (Word.PASS, Word.FAIL):
            after = [pairs for one, pairs in said if one is word]
            if after:
                parts.append(f"{word} {Rate(len(after), RELEASES)} at {median(after):,.0f}")
        cells.append(f"{', '.join(parts) or 'undecided':<44}")
    return "".join(cells)


def table(title: str, decides: dict[str, Decide], rows: list[tuple[str, float, float]]) -> None:
    """One table: a row for each true rate, a column for each way to decide."""
    print(title)
    print(f"{'true rate':<12}{''.join(f'{name:<44}' for name in decides)}".rstrip())
    for name, rate, noise in rows:
        print(f"{name:<12}{row(rate, noise, decides)}".rstrip())
    print()


def best(work: Callable[[], object], repeats: int) -> float:
    """The shortest of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def costs() -> None:
    """What counting a pair costs, and giving a verdict on a large service."""
    timed = [
        pair(n, primary=Response(200, duration_us=1_000), shadow=Response(200, duration_us=1_100))
        for n in range(1_000)
    ]
    three = outcome(*(finding(body(name), primary=f"{name}-1", shadow=f"{name}-2") for name in "abc"))
    for name, result in (("the same", SAME), ("with 3 findings", three)):
        seconds = best(partial(_count_all, timed, result), 7) / len(timed)
        print(f"counting a pair {name}: {seconds * 1e6:.1f} µs")
    counts: dict[str, int] = {}
    for number in range(200):
        for one in timed[:20]:
            for field, by in count(
                pair(number, endpoint=f"GET /{number}"), three if one is timed[0] else SAME
            ).items():
                counts[field] = counts.get(field, 0) + by * 50
    facts, policy = SessionFacts("orders", "v2", first_us=0, last_us=1), Policy()
    seconds = best(
        lambda: verdict_document(judge(summarise(Tally.of(counts), facts, policy), policy, facts, 1)), 5
    )
    print(f"a verdict on 200 endpoints and {len(counts):,} counters: {seconds * 1e3:.0f} ms")


def _count_all(pairs: list[Pair], result: Outcome) -> None:
    for one in pairs:
        count(one, result)


def main() -> None:
    """Print the tables."""
    print(
        f"{RELEASES} releases, looked at every {LOOK} pairs up to {PAIRS:,}: "
        "what was decided, and after how many pairs (median)\n"
    )
    table(
        f"No noise, tolerance {percent(TOLERANCE)}:",
        {"mirrordiff": ours, "Wilson": partial(by_wilson, tolerance=TOLERANCE), "Diffy": by_diffy},
        [(percent(rate), rate, 0.0) for rate in (0.0, 0.003, TOLERANCE, 0.01, 0.05, 0.5)],
    )
    table(
        f"A field in which v1 differs from itself in 5 %, tolerance {percent(NOISY_TOLERANCE)} beyond that:",
        {
            "mirrordiff": ours_noisy,
            "Wilson": partial(by_wilson, tolerance=NOISY_TOLERANCE),
            "Diffy": by_diffy,
        },
        [(percent(rate), rate, 0.05) for rate in (0.05, 0.1, 0.2, 0.5)],
    )
    costs()


if __name__ == "__main__":
    main()
