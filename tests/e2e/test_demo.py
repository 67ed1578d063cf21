"""``mirrordiff demo``: the planted faults are found, each once, and nothing else is called a regression."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

FINDINGS = [
    ("high", "GET /customers/{id}/alerts", "≠ status", "204→500", "100 % of 100 pairs"),
    ("high", "GET /products/{id}", "− $.package.weight_grams", "missing", "100 % of 100 pairs"),
    ("medium", "GET /customers/{id}", "− header.cache-control", "missing", "100 % of 100 pairs"),
    ("medium", "GET /orders/{id}", "≠ $.totals.tax", "value", "33 % of 100 pairs"),
]


async def demo(folder: str, *flags: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "differ", "demo", "--requests", "500", *flags,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "TMPDIR": folder},
    )  # fmt: skip


def found(said: str) -> list[tuple[str, ...]]:
    """The lines that list what was found, in columns."""
    return [
        tuple(re.split(r" {2,}", line.strip()))
        for line in said.splitlines()
        if re.match(r"  (high|medium|low) ", line)
    ]


def left_in(folder: str) -> list[Path]:
    return list(Path(folder).iterdir())


@pytest.fixture
def folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="t") as name:
        yield name


async def test_once_it_finds_the_planted_faults_and_ends_with_the_gates_code(folder: str) -> None:
    process = await demo(folder, "--once")
    out, errors = await process.communicate()
    said = out.decode()
    assert process.returncode == 1, errors.decode()
    assert errors == b""
    assert sorted(found(said)) == sorted(FINDINGS)
    assert "FAIL  default  v1 → v2  500 pairs compared" in said
    assert left_in(folder) == []


async def test_it_stays_up_until_ctrl_c(folder: str) -> None:
    process = await demo(folder)
    assert process.stdout is not None
    async for line in process.stdout:
        if b"stays up until Ctrl-C" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert left_in(folder) == []
