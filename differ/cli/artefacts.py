"""What `mirrordiff gate` leaves behind for a pipeline: files, and GitHub's own channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from differ.cli.client import Api, Json
from differ.report.github import workflow_commands
from differ.report.junit import junit
from differ.report.markdown import markdown
from differ.report.outcome import outcome_of
from mirrordiff.redis_keys import resource_id


@dataclass(frozen=True, slots=True)
class Artefacts:
    """What is wanted; None where it is not."""

    junit: Path | None = None
    summary_md: Path | None = None
    html: Path | None = None
    github: bool = False

    def write(
        self, client: Api, document: Json, signatures: Sequence[Mapping[str, Any]], environ: Mapping[str, str]
    ) -> list[str]:
        """Write them; gives the lines that GitHub reads from the output.

        Raises UsageError for a file that cannot be written, Unreachable where the page cannot be had.
        """
        outcome = outcome_of(document, signatures)
        if self.junit is not None:
            _write(self.junit, junit(outcome))
        if self.summary_md is not None:
            _write(self.summary_md, markdown(outcome))
        if self.html is not None:
            _write(self.html, self._page(client, document))
        if not self.github:
            return []
        if environ.get("GITHUB_STEP_SUMMARY"):
            _write(Path(environ["GITHUB_STEP_SUMMARY"]), markdown(outcome), append=True)
        if environ.get("GITHUB_OUTPUT"):
            # The words are ours and the address is a URL: no line can be smuggled in.
            told = f"verdict={outcome.verdict}\nreport={''.join(outcome.report_uri.split())}\n"
            _write(Path(environ["GITHUB_OUTPUT"]), told, append=True)
        return list(workflow_commands(outcome))

    def _page(self, client: Api, document: Json) -> str:
        session = document.get("session")
        if not session:
            return f"<!doctype html><title>mirrordiff</title><p>{document['verdict']}: no evidence yet.\n"
        service = resource_id(str(document["service"]))
        status, body = client.request("GET", f"/services/{service}/sessions/{session}/report.html")
        if status != 200:
            raise click.ClickException(f"the API has no page of this session (HTTP {status})")
        return body.decode("utf-8", "replace")


def _write(file: Path, text: str, *, append: bool = False) -> None:
    try:
        with file.open("a" if append else "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from None
