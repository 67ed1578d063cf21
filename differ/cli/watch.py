"""``mirrordiff watch``: a line at each change of a verdict, until it is stopped."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator

import click

from differ.cli import Unreachable
from differ.cli.client import Api, Json, Refused, segment, with_api
from differ.report.visible import one_line
from mirrordiff.redis_keys import resource_id

SILENCE_S = 60
"""After so long without a sign of life the connection is taken for dead and made anew."""


@click.command()
@click.argument("service")
@with_api
@click.option("--gate", "gate_id", metavar="NAME", default="default", show_default=True, help="Which gate.")
@click.option("--candidate", metavar="BUILD", default="", help="Which build of v2; without it, the newest.")
@click.option("--count", type=click.IntRange(1), help="Stop after so many changes.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def watch(service: str, client: Api, gate_id: str, candidate: str, count: int | None, output: str) -> None:
    """Say how SERVICE's verdict stands, and again whenever it changes. Ctrl-C ends it."""
    path = f"/v1/services/{resource_id(service)}/gates/{segment(gate_id, 'gate')}/verdict"
    client.get(path, {"candidate": candidate})  # what is wrong at first is said at once
    for number, document in enumerate(_changes(client, f"{path}/events", candidate), 1):
        click.echo(json.dumps(document, ensure_ascii=False) if output == "json" else _line(document))
        if number == count:
            return


def _changes(client: Api, path: str, candidate: str) -> Iterator[Json]:
    """Each verdict, over as many connections as it takes."""
    token, told = "", ""
    while True:
        try:
            for seen, document in _events(client, path, candidate, token):
                token, told = seen, ""
                yield document
        except Refused:
            raise  # asking again would not help
        except (OSError, http.client.HTTPException, Unreachable) as error:
            said = str(error) or type(error).__name__
            if said != told:
                click.echo(f"not connected: {said}", err=True)
                told = said
        time.sleep(1)


def _events(client: Api, path: str, candidate: str, token: str) -> Iterator[tuple[str, Json]]:
    connection = client.connection(SILENCE_S)
    try:
        connection.request(
            "GET",
            client.target(path, {"candidate": candidate}),
            headers=client.headers(**({"Last-Event-ID": token} if token else {})),
        )
        answer = connection.getresponse()
        if answer.status in {401, 403}:
            raise Refused(f"{client.url} does not let this token in any more")
        if answer.status != 200:
            raise Unreachable(f"HTTP {answer.status}")
        for line in answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                token = value
            elif name == "data":
                yield token, json.loads(value)
    finally:
        connection.close()


def _line(document: Json) -> str:
    at = str(document.get("time", "")).partition(".")[0].replace("T", " ")
    return one_line(f"{at}  {int(document['pairs']):,} pairs  {document['summary']}")
