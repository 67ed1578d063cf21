"""``mirrordiff gate``: the verdict of a gate as text or JSON, and as an exit code.

The code is that of the table in `differ.cli`: 0 PASS, 1 FAIL, 2 INCONCLUSIVE. With ``--wait`` it asks
again until there is a decision or the time is over; over is INCONCLUSIVE, whatever the reason.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from differ.cli import Exit
from differ.cli.artefacts import Artefacts
from differ.cli.asking import Asker
from differ.cli.client import Api, with_api
from differ.cli.comparison_text import wants_colour
from differ.cli.durations import DurationType
from differ.cli.verdict_text import verdict_text

FILE = click.Path(dir_okay=False, path_type=Path)

EXITS = {"PASS": Exit.PASS, "FAIL": Exit.FAIL, "INCONCLUSIVE": Exit.INCONCLUSIVE}


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
    ask = Asker(client, service, gate_id, candidate)
    document = ask.located(ask.until_decided(timeout, max(interval, 0.05)) if wait else ask.once())
    signatures = ask.signatures(document)
    if output == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(verdict_text(document, signatures, colour=wants_colour(sys.stdout)))
    artefacts = Artefacts(junit, summary_md, html, github)
    for line in artefacts.write(client, document, signatures, os.environ):
        # GitHub reads both streams; JSON on stdout must stay JSON.
        click.echo(line, err=output == "json")
    return EXITS.get(str(document.get("verdict")), Exit.UNREACHABLE)
