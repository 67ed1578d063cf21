"""Bounds on a rate that hold at every look.

A gate is polled, so bounds for one fixed sample size would be peeked at until they fail. These are
time-uniform: with probability at least 1 − alpha the true rate is inside at *all* sample sizes at once.
They invert a beta-binomial mixture martingale (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021,
"Time-uniform, nonparametric, nonasymptotic confidence sequences"): for k of n, the rate p is inside
while

    ln B(a + k, b + n − k) − ln B(a, b) − k ln p − (n − k) ln (1 − p)  <  ln (1 / alpha)

which by Ville's inequality leaves the true rate outside with probability at most alpha, ever. The prior
Beta(a, b) moves where the bounds are tightest, never whether they hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, expm1, inf, lgamma, log, sqrt
from typing import Final

from differ.core.rate import Interval, Rate


@dataclass(frozen=True, slots=True)
class Prior:
    """Where the mixture puts its weight: Beta(a, b)."""

    a: float
    b: float


ANY: Final = Prior(0.5, 0.5)
"""For rates of any size, such as that of a noisy field."""


def rare(tolerance: float) -> Prior:
    """For rates around a small tolerance: zero mismatches decide soonest."""
    return Prior(0.5, 0.5 / tolerance)


EVERYTHING: Final = Interval(0.0, 1.0)


def log_evidence(k: int, n: int, p: float, prior: Prior = ANY) -> float:
    """ln of the evidence against the true rate being p, after k of n; infinite where p is impossible."""
    return _log_mixture(k, n, prior) - _log_likelihood(k, n - k, p)


def bounds(k: int, n: int, alpha: float, prior: Prior = ANY) -> Interval:
    """The rates that k of n leave possible, at every look, with confidence 1 − alpha; all of them of nothing.

    Exact to about 1e-12 of the rate.
    """
    return Interval(lower(k, n, alpha, prior), upper(k, n, alpha, prior))


@lru_cache(maxsize=65_536)
def lower(k: int, n: int, alpha: float, prior: Prior = ANY) -> float:
    """The lower of the two bounds alone."""
    if not 0 <= k <= n:
        raise ValueError("k of n needs 0 <= k <= n")
    return exp(_root(k, n - k, _floor(k, n, alpha, prior))) if k else 0.0


@lru_cache(maxsize=65_536)
def upper(k: int, n: int, alpha: float, prior: Prior = ANY) -> float:
    """The upper of the two bounds alone."""
    if not 0 <= k <= n:
        raise ValueError("k of n needs 0 <= k <= n")
    # By symmetry, from the other end: how much of 1 is left.
    return -expm1(_root(n - k, k, _floor(k, n, alpha, prior))) if k < n else 1.0


def _floor(k: int, n: int, alpha: float, prior: Prior) -> float:
    """The log likelihood that every rate inside is above."""
    return _log_mixture(k, n, prior) - log(1 / alpha)


def _root(a: int, b: int, floor: float) -> float:
    """The lower of the two u at which ``a u + b ln(1 − e^u)`` is ``floor``; ``a`` is not 0.

    Newton's method. The function is concave, and to the left of the root every tangent meets the floor
    before the root does: started there, each step stays outside of the interval.
    """
    u = floor / a
    if not b:
        return u
    for _ in range(100):
        left = -expm1(u)
        step = (floor - a * u - b * log(left)) / (a - b * exp(u) / left)
        u += step
        if abs(step) <= 1e-13 * abs(u):
            break
    return u


def _log_likelihood(k: int, misses: int, p: float) -> float:
    if (k and p <= 0) or (misses and p >= 1):
        return -inf
    return (k * log(p) if k else 0.0) + (misses * log(1 - p) if misses else 0.0)


def _log_mixture(k: int, n: int, prior: Prior) -> float:
    a, b = prior.a, prior.b
    return _log_beta(a + k, b + n - k) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


_FIRST: Final = 16


def level(alpha: float, tests: int) -> float:
    """The level for each of so many tests, so that all of them together err with at most alpha.

    Bonferroni's, for a number of tests that grows while we look: the first 16 share half of alpha, the
    next doubling a quarter, and so on. Whatever number is reached, the sum stays under alpha. Falls
    with the number of tests.
    """
    stage = max(0, (max(tests, 1) - 1).bit_length() - 4)
    return alpha / float((2 << stage) * _FIRST * (1 << stage))


def excess_bounds(shadow: Rate, noise: Rate | None, fail: float, ok: float, prior: Prior = ANY) -> Interval:
    """By how much the shadow's rate exceeds the noise: the lower bound at one level, the upper at another.

    Each holds at every look, with confidence 1 − its level. Without a noise arm the noise is taken for
    zero. With one, the level is split between the two arms, and no independence of them is needed.
    """
    k, n = shadow.count, shadow.total
    if noise is None:
        return Interval(lower(k, n, fail, prior), upper(k, n, ok, prior))
    c, m = noise.count, noise.total
    return Interval(
        lower(k, n, fail / 2, prior) - upper(c, m, fail / 2, prior),
        upper(k, n, ok / 2, prior) - lower(c, m, ok / 2, prior),
    )


def wilson(k: int, n: int, z: float = 1.96) -> Interval:
    """Wilson's score interval, for description alone: it holds for one look, and no decision uses it."""
    if not n:
        return EVERYTHING
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * sqrt(k * (n - k) / n + z * z / 4)
    return Interval(max(0.0, centre - half), min(1.0, centre + half))
