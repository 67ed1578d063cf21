"""``mirrordiff gate``: the verdict of a gate as text or JSON, and as an exit code.

The code is that of the table in `differ.cli`: 0 PASS, 1 FAIL, 2 INCONCLUSIVE. With ``--wait`` it asks
again until there is a decision or the time is over; over is INCONCLUSIVE, whatever the reason.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from differ.cli import Exit, Unreachable
from differ.cli.client import DEFAULT_API, ENVIRONMENT, AddressType, Api, Json, segment
from differ.cli.durations import DurationType
from differ.cli.verdict_text import verdict_text
from mirrordiff.redis_keys import resource_id

EXITS = {"PASS": Exit.PASS, "FAIL": Exit.FAIL, "INCONCLUSIVE": Exit.INCONCLUSIVE}


@click.command()
@click.argument("service")
@click.option("--api", type=AddressType(), envvar=ENVIRONMENT, default=DEFAULT_API, show_default=True,
              help="Where the API is.")  # fmt: skip
@click.option("--gate", "gate_id", metavar="NAME", default="default", show_default=True, help="Which gate.")
@click.option("--candidate", metavar="BUILD", default="", help="Which build of v2; without it, the newest.")
@click.option("--wait", is_flag=True, help="Ask until there is a decision.")
@click.option("--timeout", type=DurationType(), default="30m", show_default=True, help="How long to wait.")
@click.option("--interval", type=DurationType(), default="5s", show_default=True, help="How often to ask.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def gate(
    service: str,
    api: str,
    gate_id: str,
    candidate: str,
    wait: bool,  # noqa: FBT001  # click passes options by name
    timeout: float,
    interval: float,
    output: str,
) -> int:
    """Say whether SERVICE's candidate may be released.

    Exit code: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 wrong usage, 4 the API cannot be reached.
    """
    client = Api(api)
    path = f"/v1/services/{resource_id(service)}/gates/{segment(gate_id, 'gate')}/verdict"
    ask = _Asker(client, path, candidate)
    document = ask.located(ask.until_decided(timeout, max(interval, 0.05)) if wait else ask.once())
    if output == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(verdict_text(document, ask.signatures(document), colour=_colour()))
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
        try:
            listed: list[dict[str, Any]] = self._client.get(path, {"pageSize": 1000})["signatures"]
        except Unreachable:
            return []  # the verdict is said; what was behind it is an extra
        return listed


def _colour() -> bool:
    import os

    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
