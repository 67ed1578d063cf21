"""``mirrordiff policy``: check a policy file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from differ.cli import Exit
from differ.cli.comparison_text import echo, harmless
from differ.cli.pairs import InputError, read
from differ.core.policy import Policy, PolicyError, parse_policy


@click.group()
def policy() -> None:
    """Check a policy file: what a gate demands of a candidate."""


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> Exit:
    """Say whether FILE can be used: every problem in it with its line.

    Exits with 0 if it can be used and with 3 if not.
    """
    found = read_policy(file)
    endpoints = len(found.endpoints)
    own = f", {endpoints} endpoint{'s' if endpoints != 1 else ''} of its own" if endpoints else ""
    echo(
        harmless(
            f"{file}: tolerance {found.tolerance * 100:g} %, {found.min_pairs} pairs or more{own}, "
            f"policy {found.id}"
        ),
        sys.stdout,
    )
    return Exit.PASS


def read_policy(file: Path) -> Policy:
    """The policy in a file. Raises InputError with every problem."""
    try:
        return parse_policy(read(file).decode())
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8") from None
    except PolicyError as error:
        raise InputError("\n".join(f"{file}: {problem}" for problem in error.problems)) from None
