"""``mirrordiff import``: responses that a browser, proxy or test recorded (HAR) as captures of one side."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from differ.cli import Exit, Unreachable
from mirrordiff.asgi import SECRET
from mirrordiff.posting import Poster, in_posts

_PATIENCE_S = 60


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--role", type=click.Choice(["primary", "shadow", "control"]), required=True)
@click.option("--service", required=True, help="The service that answered.")
@click.option("--version", "build", default="", help="The build that answered.")
@click.option("--collector", default="http://127.0.0.1:8603", show_default=True, metavar="URL")
def import_(file: Path, role: str, service: str, build: str, collector: str) -> int:
    """Send the responses in a HAR file to the collector.

    A request is paired by its x-mirrordiff-pair or x-request-id; where it has neither, by its method, path,
    body and how often the same came before: record both sides from the same requests, in one order.
    """
    try:
        entries = json.loads(file.read_text("utf-8-sig"))["log"]["entries"]
        documents = list(_documents(entries, {"role": role, "service": service, "version": build}))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise click.UsageError(f"{file} is not a HAR file") from None
    try:
        poster = Poster(collector, patience_s=_PATIENCE_S, while_away=False, timeout_s=30)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    accepted = rejected = sent = 0
    for lines in in_posts(documents):
        outcome = poster.post(lines)
        for place, reason in outcome.errors.items():
            click.echo(f"response {sent + place + 1}: {reason}", err=True)
        accepted += outcome.accepted
        rejected += len(outcome.errors)
        sent += len(lines)
        if outcome.failure:
            raise Unreachable(
                f"{collector} {outcome.failure}; of {len(documents)} responses it took {accepted}"
            )
    click.echo(f"{accepted} accepted, {rejected} rejected")
    return Exit.PASS if not rejected else Exit.INCONCLUSIVE


def _documents(entries: list[Any], fixed: dict[str, str]) -> Iterator[dict[str, object]]:
    seen: Counter[str] = Counter()
    for entry in entries:
        request, response = entry["request"], entry["response"]
        asked = {header["name"].lower(): header["value"] for header in request["headers"]}
        url = urlsplit(request["url"])
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        body = request.get("postData", {}).get("text", "")
        asked_for = json.dumps([request["method"], path, body])
        seen[asked_for] += 1
        content = response["content"]
        packed = content.get("encoding") == "base64"
        # Recorders leave out what was too long for them, or is not kept any more.
        left_out = "text" not in content and content.get("size", 0) > 0
        yield fixed | {
            "method": request["method"],
            "path": path,
            "authority": url.netloc.rpartition("@")[2],
            "pair_id": asked.get("x-mirrordiff-pair", ""),
            "request_id": asked.get("x-request-id") or f"har-{seen[asked_for]}",
            "request_body": body,
            "request_headers": [
                [header["name"], header["value"]]
                for header in request["headers"]
                if header["name"].lower() not in SECRET and not header["name"].startswith(":")
            ],
            "status": max(0, response["status"]),
            "headers": [
                [header["name"], header["value"]]
                for header in response["headers"]
                # Recorders keep the body unpacked and whole, and tell HTTP/2's pseudo headers.
                if header["name"].lower() not in {"content-encoding", "content-length", "transfer-encoding"}
                and not header["name"].startswith(":")
            ],
            "body_base64" if packed else "body": content.get("text", ""),
            "started_us": round(datetime.fromisoformat(entry["startedDateTime"]).timestamp() * 1_000_000),
            "duration_ms": max(0, entry.get("time", 0)),
            "id": os.urandom(12).hex(),
            "end": "not_captured" if left_out else None,
        }
