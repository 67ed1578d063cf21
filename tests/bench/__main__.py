"""``python -m tests.bench [NAME …]``: runs the benchmarks named, or all of them.

A benchmark is a module of this package with a function ``main``, and a row in BENCHMARKS.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys

BENCHMARKS = {
    "compare": "one core comparing pairs, against DeepDiff",
    "whole_path": "captures/s into Redis, and pairs/s through collector, Redis and workers",
    "ways_in": "captures/s and CPU a capture, each way into the collector",
    "memory": "bytes in Redis for what waits, and for what was judged",
    "surfaces": "time per page, list and verdict on a session with 1,000 signatures and 100,000 kept diffs",
    "live": "what capture costs the live request: on against off, and with the collector dead, hung or slow",
    "evidence": "pairs until a release is decided, against a Wilson bound and the rule of Diffy",
}
"""Each module and what it measures, in the order in which they run."""


def main(names: list[str]) -> int:
    """Run the benchmarks, and tell on what."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)} (there are {', '.join(BENCHMARKS)})", file=sys.stderr)
        return 3
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{cores} cores, {platform.machine()}, Python {platform.python_version()}")
    for name in names or BENCHMARKS:
        print(f"\n## {name}: {BENCHMARKS[name]}\n")
        importlib.import_module(f"tests.bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
