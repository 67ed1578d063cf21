"""``mirrordiff compare``: two saved responses, or many pairs of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from differ.cli import Exit
from differ.cli.comparison_text import echo, harmless, outcome_lines
from differ.cli.pairs import InputError, in_force, read, read_pairs, read_rules
from differ.core.compare import Where
from differ.core.compare import compare as compare_pair
from differ.core.lifting.protobuf import SchemaError, Schemas
from differ.core.model import Outcome, Result
from differ.core.pair_documents import DocumentError, encode, parse, response_from, result_document
from differ.core.preview import Example
from differ.core.rules import NO_RULES

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("primary", type=_FILE, required=False)
@click.argument("shadow", type=_FILE, required=False)
@click.option("--pairs", type=_FILE, metavar="FILE", help="Compare many: a JSON line for each pair.")
@click.option("--rules", "rules_file", type=_FILE, metavar="FILE", help="Rules that excuse differences.")
@click.option("--service", default="", help="The service that answered, for rules about one service.")
@click.option("--endpoint", default="", help="What was asked for, as 'GET /orders/{id}', for rules about it.")
@click.option("--candidate", default="", help="The candidate's name, for changes expected of it alone.")
@click.option(
    "--descriptor-set",
    type=_FILE,
    metavar="FILE",
    help="Names the fields of gRPC messages (protoc -o, imports included).",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What to print.",
)
def compare(
    primary: Path | None,
    shadow: Path | None,
    pairs: Path | None,
    rules_file: Path | None,
    service: str,
    endpoint: str,
    candidate: str,
    descriptor_set: Path | None,
    output: str,
) -> Exit:
    """Compare what PRIMARY (v1) answered with what SHADOW (v2) answered.

    Each is a file with a response document: {"status": 200, "headers": [["content-type",
    "application/json"]], "body": "…"}. With --pairs, a file with a line {"name", "primary", "shadow"}
    for each pair.

    Exits with 0 for the same, 1 for different, 2 for could not tell; of many pairs, with the worst:
    1 if any is different, else 2 if any could not be compared.
    """
    where = Where(service, endpoint)
    if (pairs is None) is (primary is None) or (primary is None) is not (shadow is None):
        raise click.UsageError("give two files, PRIMARY and SHADOW, or --pairs FILE")
    rules = in_force(read_rules(rules_file), candidate) if rules_file is not None else NO_RULES
    schemas = _schemas(descriptor_set) if descriptor_set is not None else None
    examples = read_pairs(pairs, where) if pairs is not None else _one(primary, shadow, where)
    worst = Exit.PASS
    for example in examples:
        outcome = compare_pair(example.primary, example.shadow, rules, example.where, schemas)
        _print(example.name, outcome, output)
        worst = _worse(worst, outcome.result)
    sys.stdout.flush()
    return worst


def _one(primary: Path | None, shadow: Path | None, where: Where) -> Iterator[Example]:
    if primary is None or shadow is None:
        return
    sides = []
    for side, path in (("primary", primary), ("shadow", shadow)):
        try:
            sides.append(response_from(parse(read(path), side), side))
        except DocumentError as error:
            raise InputError(f"{path}: {error}") from None
    yield Example(sides[0], sides[1], where)


def _schemas(path: Path) -> Schemas:
    try:
        return Schemas(read(path))
    except SchemaError as error:
        raise InputError(f"{path}: {error}") from None


def _print(name: str, outcome: Outcome, output: str) -> None:
    if output == "json":
        echo(harmless(encode(result_document(name, outcome)).decode()), sys.stdout)
        return
    for line in outcome_lines(outcome, name):
        echo(line, sys.stdout)


def _worse(worst: Exit, result: Result) -> Exit:
    if Exit.FAIL is worst or result is Result.DIFFERENT:
        return Exit.FAIL
    return Exit.INCONCLUSIVE if result is Result.SKIPPED else worst
