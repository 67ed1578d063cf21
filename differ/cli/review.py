"""``mirrordiff review``: say that a change is meant, or that a field never matters; list that, undo it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

from differ.cli import Exit
from differ.cli.client import Api, Json, segment, with_api, written
from differ.cli.tables import formatted
from mirrordiff.redis_keys import resource_id

COLUMNS: Final = {
    "ID": "id",
    "ACTION": "action",
    "ENDPOINT": "endpoint",
    "FIELD": "field",
    "CANDIDATE": "candidate",
    "UNTIL": "until",
    "BY": "by",
    "NOTE": "note",
}


@click.group()
def review() -> None:
    """Make a rule of a signature, list such rules, undo one.

    A rule is in force within about a second, and pairs are counted anew under it.

    Exit code: 0 done, 3 it cannot be done, 4 the API cannot be reached.
    """


def _making(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--candidate", default="", metavar="ID",
                     help="The session that shows it, by id or candidate; without it, the one last seen."),
        click.option("--until", default="", metavar="YYYY-MM-DD", help="The last day on which it applies."),
        click.option("--by", default="", metavar="NAME", help="Who agreed; without it, the token's name."),
        click.option("--note", required=True, help="Why."),
        with_api,
        click.argument("signature"),
        click.argument("service"),
    ):  # fmt: skip
        command = option(command)
    return command


@review.command()
@_making
def accept(service: str, signature: str, client: Api, **said: str) -> int:
    """The change that SIGNATURE of SERVICE shows is meant, in this candidate alone."""
    return _make(client, service, {"signature": signature, "action": "expect", **said})


@review.command()
@_making
def ignore(service: str, signature: str, client: Api, **said: str) -> int:
    """The field of SIGNATURE of SERVICE never matters on its endpoint."""
    return _make(client, service, {"signature": signature, "action": "ignore", **said})


@review.command("list")
@click.argument("service")
@with_api
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)
def list_(service: str, client: Api, output: str) -> int:
    """What was reviewed of SERVICE and not undone."""
    rows: list[Json] = client.get(_path(service), {"pageSize": 1000})["reviews"]
    if output == "table":
        rows = [row | {"id": row["name"].rpartition("/")[2]} for row in rows]
    click.echo(formatted(rows, COLUMNS, output))
    return Exit.PASS


@review.command()
@click.argument("service")
@click.argument("id")
@with_api
def undo(service: str, id: str, client: Api) -> int:  # noqa: A002
    """Undo the review ID of SERVICE: its rule applies no more."""
    written(client, *client.request("DELETE", f"{_path(service)}/{segment(id, 'review')}"))
    click.echo(f"{service}: {id} is undone")
    return Exit.PASS


def _make(client: Api, service: str, wanted: dict[str, str]) -> int:
    made = written(client, *client.request("POST", _path(service), document=wanted))
    click.echo(made["rule"])
    click.echo(f"{service}: {made['name'].rpartition('/')[2]} is in force within a second", err=True)
    return Exit.PASS


def _path(service: str) -> str:
    return f"/v1/services/{resource_id(service)}/reviews"
