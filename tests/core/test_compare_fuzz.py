"""Each fuzz target for a moment, so that the targets keep working; ``python -m tests.fuzz`` runs longer."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_a_moment_of_fuzzing(name: str) -> None:
    draw = random.Random(name)
    for _ in range(100):
        one, two = TARGETS[name].once(draw)
        TARGETS[name].run(one, two, draw)
