"""The gates there are: one for a policy file, or one for each file of a folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from differ.api.service import DEFAULT_GATE
from differ.core.policy import Policy, PolicyError, parse_policy

SUFFIXES: Final = (".yaml", ".yml")

_GATE = re.compile(r"[A-Za-z0-9._~-]{1,128}")


def read_gates(place: Path | None) -> dict[str, Policy]:
    """The gates by name, always with the default one.

    A file is the default gate's policy. In a folder ``<gate>.yaml`` is that of the gate; other files are
    none. Raises PolicyError with every problem of all files, and OSError.
    """
    gates = {DEFAULT_GATE: Policy()}
    if place is None:
        return gates
    if not place.is_dir():
        gates[DEFAULT_GATE] = parse_policy(_text(place))
        return gates
    problems: list[str] = []
    for file in sorted(place.iterdir()):
        if file.suffix not in SUFFIXES or not file.is_file():
            continue
        if not _GATE.fullmatch(file.stem):
            problems.append(f"{file.name}: no name of a gate: write letters, digits, . _ ~ -")
            continue
        try:
            gates[file.stem] = parse_policy(_text(file))
        except PolicyError as error:
            problems += [f"{file.name}: {problem}" for problem in error.problems]
    if problems:
        raise PolicyError(problems)
    return gates


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise PolicyError(["not UTF-8"]) from None
