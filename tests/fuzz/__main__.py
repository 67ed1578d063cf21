"""Runs fuzz targets for a time, and tells how to repeat what it finds."""

from __future__ import annotations

import argparse
import base64
import random
import sys
import time
import traceback

from tests.fuzz.targets import TARGETS, Target

SLOW = 2.0
"""Seconds of computing for one pair of small inputs that count as a finding."""


def say(text: str) -> None:
    """A line, at once: a run is watched."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fuzz(name: str, target: Target, seconds: float, seed: int) -> int:
    """The number of findings of one target."""
    draw = random.Random(f"{name}:{seed}")
    end = time.monotonic() + seconds
    runs, found, slowest = 0, 0, 0.0
    seen: set[str] = set()
    while time.monotonic() < end:
        runs += 1
        state = draw.getrandbits(64)
        turn = random.Random(state)
        one, two = target.once(turn)
        started = time.process_time()
        try:
            target.run(one, two, turn)
            problem = ""
        except Exception:  # noqa: BLE001  (every kind is a finding)
            problem = traceback.format_exc()
        took = time.process_time() - started
        slowest = max(slowest, took)
        if took > SLOW:
            problem = problem or f"took {took:.1f} s\n"
        # One finding a place: the line that failed and the kind of error, not the words in it.
        where = "".join(line for line in problem.split("\n") if line.startswith("  File"))
        if problem and where not in seen:
            seen.add(where)
            found += 1
            inputs = [base64.b64encode(data).decode() for data in (one, two)]
            say(f"{name}: state {state}\n  {inputs[0]}\n  {inputs[1]}\n{problem}")
    say(f"{name}: {runs:,} pairs in {seconds:.0f} s, slowest {slowest:.3f} s, {found} findings")
    return found


def main() -> int:
    """Run, and exit with 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TARGETS)}; all if none")
    parser.add_argument("--seconds", type=float, default=600, help="for each target (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    names = given.names or list(TARGETS)
    if not set(names) <= TARGETS.keys():
        parser.error(f"targets are {', '.join(TARGETS)}")
    found = [fuzz(name, TARGETS[name], given.seconds, given.seed) for name in names]
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main())
