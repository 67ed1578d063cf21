"""``mirrordiff gate``: the verdict of a gate as text or JSON, and as an exit code.

The code is that of the table in `differ.cli`: 0 PASS, 1 FAIL, 2 INCONCLUSIVE. With ``--wait`` it asks
again until there is a decision or the time is over; over is INCONCLUSIVE, whatever the reason.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from differ.cli import Exit, Unreachable
from differ.cli.artefacts import Artefacts
from differ.cli.client import Api, Json, Refused, segment, with_api
from differ.cli.durations import DurationType
from differ.cli.verdict_text import verdict_text
from mirrordiff.redis_keys import resource_id

FILE = click.Path(dir_okay=False, path_type=Path)

EXITS = {"PASS": Exit.PASS, "FAIL": Exit.FAIL, "INCONCLUSIVE": Exit.INCONCLUSIVE}


MOST_SIGNATURES = 10_000
"""Signatures reported; a candidate with more of them has other worries."""


@click.command()
@click.argument("service")
@with_api
@click.option("--gate", "gate_id", metavar="NAME", default="default", show_default=True, help="Which gate.")
@click.option("--candidate", metavar="BUILD", default="", help="Which build of v2; without it, the newest.")
@click.option("--wait", is_flag=True, help="Ask until there is a decision.")
@click.option("--timeout", type=DurationType(), default="30m", show_default=True, help="How long to wait.")
@click.option("--interval", type=DurationType(), default="5s", show_default=True, help="How often to ask.")
@click.option("--junit", type=FILE, help="Write JUnit XML: a case for each signature and check.")
@click.option("--summary-md", type=FILE, help="Write a summary in Markdown.")
@click.option("--html", type=FILE, help="Write the report page as one file.")
@click.option("--github", is_flag=True, help="Annotations, step summary and outputs of GitHub Actions.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def gate(
    service: str,
    client: Api,
    gate_id: str,
    candidate: str,
    wait: bool,  # noqa: FBT001  # click passes options by name
    timeout: float,
    interval: float,
    junit: Path | None,
    summary_md: Path | None,
    html: Path | None,
    github: bool,  # noqa: FBT001  # as above
    output: str,
) -> int:
    """Say whether SERVICE's candidate may be released.

    Exit code: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 wrong usage, 4 the API cannot be reached.
    """
    path = f"/v1/services/{resource_id(service)}/gates/{segment(gate_id, 'gate')}/verdict"
    ask = _Asker(client, path, candidate)
    document = ask.located(ask.until_decided(timeout, max(interval, 0.05)) if wait else ask.once())
    signatures = ask.signatures(document)
    if output == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(verdict_text(document, signatures, colour=_colour()))
    artefacts = Artefacts(junit, summary_md, html, github)
    for line in artefacts.write(client, document, signatures, os.environ):
        # GitHub reads both streams; JSON on stdout must stay JSON.
        click.echo(line, err=output == "json")
    return EXITS.get(str(document.get("verdict")), Exit.UNREACHABLE)


class _Asker:
    """Asks for one verdict."""

    def __init__(self, client: Api, path: str, candidate: str) -> None:
        self._client = client
        self._path = path
        self._candidate = candidate

    def once(self) -> Json:
        """The verdict now."""
        return self._client.get(self._path, {"candidate": self._candidate})

    def until_decided(self, timeout_s: float, interval_s: float) -> Json:
        """The first decision, else the last verdict before the time is over.

        An API that is away for a while is waited for; one that was never there is Unreachable.
        """
        deadline = time.monotonic() + timeout_s
        last: Json | None = None
        told = ""
        while True:
            try:
                last = self.once()
                if last.get("verdict") != "INCONCLUSIVE":
                    return last
                said = str(last.get("summary", ""))
            except Refused:
                raise  # asking again would not help
            except Unreachable as error:
                if last is None and time.monotonic() >= deadline:
                    raise
                said = str(error)
            if said != told:
                click.echo(said, err=True)
                told = said
            left = deadline - time.monotonic()
            if left <= 0 and last is not None:
                return last
            time.sleep(max(0.0, min(interval_s, left)))

    def located(self, document: Json) -> Json:
        """The document with a report's address that works from here, where the API knows no public one."""
        if str(document.get("reportUri", "")).startswith("/"):
            document["reportUri"] = f"{self._client.url}{document['reportUri']}"
        return document

    def signatures(self, document: Json) -> list[dict[str, Any]]:
        """The signatures behind a verdict, the worst first; none where there is no session."""
        service, session = document.get("service"), document.get("session")
        if not service or not session:
            return []
        path = f"/v1/services/{resource_id(str(service))}/sessions/{session}/signatures"
        listed: list[dict[str, Any]] = []
        token = ""
        while len(listed) < MOST_SIGNATURES:
            try:
                page = self._client.get(path, {"pageSize": 1000, "pageToken": token})
            except Unreachable:
                break  # the verdict is said; what was behind it is an extra
            listed += page["signatures"]
            token = page["nextPageToken"]
            if not token:
                break
        return listed


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
