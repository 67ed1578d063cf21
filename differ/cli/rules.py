"""``mirrordiff rules``: check a rule file, and try it on pairs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from differ.cli import Exit
from differ.cli.comparison_text import echo, harmless
from differ.cli.pairs import in_force, read_pairs, read_rules
from differ.core.compare import Where
from differ.core.pair_documents import encode
from differ.core.preview import Effect, Preview, preview
from differ.core.rules import Rule
from differ.core.rules.verbs import name_of

_FILE = click.Path(path_type=Path)


@click.group()
def rules() -> None:
    """Check a rule file, and see what it does to pairs."""


@rules.command()
@click.argument("file", type=_FILE)
def check(file: Path) -> Exit:
    """Say whether FILE can be used: every problem in it with its line, and which rules have expired.

    Exits with 0 if it can be used and with 3 if not.
    """
    found = read_rules(file)
    expired = found.expired(datetime.now(tz=UTC).date())
    in_force(found, "")
    count = len(found.rules)
    rest = f", {len(expired)} of them expired" if expired else ""
    echo(
        harmless(f"{file}: {count} rule{'s' if count != 1 else ''}{rest}, digest {found.digest}"), sys.stdout
    )
    return Exit.PASS


@rules.command()
@click.argument("file", type=_FILE)
@click.option("--pairs", type=_FILE, required=True, metavar="FILE", help="A JSON line for each pair.")
@click.option("--service", default="", help="The service that answered, where a pair does not say.")
@click.option("--endpoint", default="", help="What was asked for, where a pair does not say.")
@click.option("--candidate", default="", help="The candidate's name, for changes expected of it alone.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def test(file: Path, pairs: Path, service: str, endpoint: str, candidate: str, output: str) -> Exit:
    """Try the rules in FILE on pairs: what each hides, and which of them match nothing.

    Exits with 0 whatever the rules do: `mirrordiff compare --rules` is what judges.
    """
    in_use = in_force(read_rules(file), candidate)
    found = preview(in_use, read_pairs(pairs, Where(service, endpoint)))
    if output == "json":
        echo(harmless(encode(_document(found)).decode()), sys.stdout)
    else:
        _print(found)
    sys.stdout.flush()
    return Exit.PASS


def _title(rule: Rule) -> str:
    return f"line {rule.line}: {name_of(rule.verb)} {rule.pattern}"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _print(found: Preview) -> None:
    for effect in found.effects:
        echo(harmless(f"{_title(effect.rule)} ({effect.rule.note})"), sys.stdout)
        if effect.differences == 0:
            echo("  matches nothing", sys.stdout)
            continue
        echo(
            f"  hides {_plural(effect.differences, 'difference')} in "
            f"{_plural(len(effect.signatures), 'signature')} of {_plural(effect.pairs, 'pair')}; "
            f"{_plural(effect.decided, 'pair')} would be different without it",
            sys.stdout,
        )
        for endpoint, field, kind in sorted(effect.signatures):
            echo(harmless(f"    {endpoint + '  ' if endpoint else ''}{field}  {kind}"), sys.stdout)
    results = ", ".join(f"{count} {result}" for result, count in found.results.items())
    echo(f"{_plural(sum(found.results.values()), 'pair')}: {results}", sys.stdout)


def _document(found: Preview) -> dict[str, object]:
    return {
        "pairs": {str(result): count for result, count in found.results.items()},
        "rules": [_effect(effect) for effect in found.effects],
    }


def _effect(effect: Effect) -> dict[str, object]:
    return {
        "id": effect.rule.id,
        "line": effect.rule.line,
        "verb": name_of(effect.rule.verb),
        "field": str(effect.rule.pattern),
        "note": effect.rule.note,
        "differences": effect.differences,
        "pairs": effect.pairs,
        "decided": effect.decided,
        "signatures": [
            {"endpoint": endpoint, "field": field, "kind": str(kind)}
            for endpoint, field, kind in sorted(effect.signatures)
        ],
    }
