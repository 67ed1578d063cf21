"""``mirrordiff get`` and ``describe``: what is kept, as a table, JSON or YAML."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import click

from differ.cli.client import Api, Json, segment, with_api
from differ.cli.tables import formatted, yaml_text
from differ.core.rate import Rate
from mirrordiff.redis_keys import resource_id


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of resource: where it is listed, and the columns of its table."""

    path: str
    columns: dict[str, str]


KINDS: Final = {
    "services": Kind("services", {"SERVICE": "displayName", "ID": "id", "LAST SEEN": "lastSeenTime"}),
    "sessions": Kind(
        "services/{service}/sessions",
        {"SESSION": "id", "CANDIDATE": "candidate", "STARTED": "startTime", "LAST SEEN": "lastSeenTime"},
    ),
    "endpoints": Kind(
        "services/{service}/sessions/{session}/endpoints",
        {
            "ID": "id",
            "ENDPOINT": "endpoint",
            "STATE": "state",
            "VERDICT": "verdict",
            "PAIRS": "raw.total",
            "DIFFER": "rate",
        },
    ),
    "signatures": Kind(
        "services/{service}/sessions/{session}/signatures",
        {
            "ID": "id",
            "RISK": "risk",
            "ENDPOINT": "endpoint",
            "FIELD": "field",
            "KIND": "kind",
            "DETAIL": "detail",
            "DIFFER": "rate",
            "EXAMPLES": "diffs",
        },
    ),
    "diffs": Kind(
        "services/{service}/sessions/{session}/diffs",
        {
            "ID": "id",
            "TIME": "time",
            "METHOD": "method",
            "PATH": "path",
            "OUTCOME": "outcome",
            "SIGNATURES": "signatures",
        },
    ),
}

_ONE: Final = {kind.removesuffix("s"): kind for kind in KINDS}

_SESSION = click.option(
    "--session", default="latest", show_default=True, metavar="ID", help="Which session, by id or candidate."
)


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("service", required=False)
@with_api
@_SESSION
@click.option("--filter", "filter_", default="", help="Such as 'risk = \"high\" AND pairs >= 10'.")
@click.option("--order-by", default="", help="Columns separated by commas, each with desc or nothing.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Most rows.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True
)
def get(
    kind: str,
    service: str | None,
    client: Api,
    session: str,
    filter_: str,
    order_by: str,
    limit: int,
    output: str,
) -> None:
    """List services, or the sessions, endpoints, signatures or diffs of a SERVICE."""
    wanted = KINDS[kind]
    if service is None and "{service}" in wanted.path:
        raise click.UsageError(f"of which service? Write `mirrordiff get {kind} SERVICE`.")
    path = _path(wanted, service or "", session)
    rows: list[Json] = []
    token = ""
    while len(rows) < limit:
        asked: dict[str, str | int] = {
            "pageSize": min(1000, limit - len(rows)),
            "pageToken": token,
            "filter": filter_,
            "orderBy": order_by,
        }
        page = client.get(path, asked)
        rows += page[kind]
        token = page["nextPageToken"]
        if not token:
            break
    if output == "table":
        rows = [_shown(row) for row in rows]
    click.echo(formatted(rows, wanted.columns, output))
    if token:
        click.echo(f"and {page['totalSize'] - len(rows)} more: --limit shows them", err=True)


@click.command()
@click.argument("kind", type=click.Choice(list(_ONE)))
@click.argument("service")
@click.argument("id", required=False)
@with_api
@_SESSION
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), default="yaml", show_default=True)
def describe(kind: str, service: str, id: str | None, client: Api, session: str, output: str) -> None:  # noqa: A002
    """Show all of one service, session, endpoint, signature or diff, by its ID."""
    wanted = KINDS[_ONE[kind]]
    if kind == "service":
        path = f"/v1/services/{resource_id(service)}"
    elif kind == "session":
        path = f"{_path(wanted, service, session)}/{resource_id(id or session)}"
    elif id is None:
        raise click.UsageError(f"which {kind}? `mirrordiff get {_ONE[kind]} {service}` lists their ids.")
    else:
        path = f"{_path(wanted, service, session)}/{segment(id, kind)}"
    document = client.get(path)
    click.echo(
        json.dumps(document, indent=2, ensure_ascii=False) if output == "json" else yaml_text(document)
    )


def _path(kind: Kind, service: str, session: str) -> str:
    return f"/v1/{kind.path}".format(service=resource_id(service), session=resource_id(session))


def _shown(row: Json) -> Json:
    """A row with what its table shows and it has in another form."""
    shown: dict[str, Any] = {**row, "id": row["name"].rpartition("/")[2]}
    rate = row.get("differ")
    if rate is not None:
        shown["rate"] = f"{Rate(rate['count'], rate['total'])} of {rate['total']}"
    return shown
