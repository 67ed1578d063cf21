"""Files that the commands about comparisons read: documents, pairs, rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from differ.cli.comparison_text import harmless
from differ.core.compare import Where
from differ.core.pair_documents import DocumentError, pair_from, parse
from differ.core.preview import Example
from differ.core.rules import RulesError, RuleSet, parse_rules


class InputError(click.ClickException):
    """A file that was given cannot be used; the message says which, and why."""

    def format_message(self) -> str:
        """The message, with nothing in it that a terminal would act on."""
        return "\n".join(harmless(line) for line in self.message.split("\n"))


def read(path: Path) -> bytes:
    """The content of a file; ``-`` is standard input. Raises InputError."""
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def read_rules(path: Path) -> RuleSet:
    """The rules in a file, expired ones too. Raises InputError with every problem."""
    try:
        return parse_rules(read(path).decode())
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8") from None
    except RulesError as error:
        raise InputError("\n".join(f"{path}: {problem}" for problem in error.problems)) from None


def in_force(rules: RuleSet, candidate: str) -> RuleSet:
    """The rules in force today; those that have expired are named on standard error."""
    today = datetime.now(tz=UTC).date()
    for rule in rules.expired(today):
        about = ", ".join(part for part in (rule.owner, rule.ticket) if part)
        whose = f" ({about})" if about else ""
        said = f"line {rule.line}: the rule for {rule.pattern}{whose} expired on {rule.until}: not applied"
        click.echo(harmless(said), err=True)
    return rules.effective(today, candidate)


def read_pairs(path: Path, where: Where) -> Iterator[Example]:
    """The pairs of a JSON lines file, with a progress bar where someone is watching. Raises InputError."""
    try:
        with (
            path.open("rb") as file,
            click.progressbar(
                length=path.stat().st_size, label="comparing", file=sys.stderr, hidden=not sys.stderr.isatty()
            ) as bar,
        ):
            for number, line in enumerate(file, start=1):
                if line.strip():
                    what = f"line {number}"
                    yield pair_from(parse(line, what), what, where)
                bar.update(len(line))
    except DocumentError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
