"""Asking the API for one gate's verdict, and for what is behind it."""

from __future__ import annotations

import time
from typing import Any

import click

from differ.cli import Unreachable
from differ.cli.client import Api, Json, Refused, segment
from mirrordiff.redis_keys import resource_id

MOST_SIGNATURES = 10_000
"""Signatures reported; a candidate with more of them has other worries."""


class Asker:
    """Asks for one verdict."""

    def __init__(self, client: Api, service: str, gate_id: str = "default", candidate: str = "") -> None:
        self._client = client
        self._path = f"/v1/services/{resource_id(service)}/gates/{segment(gate_id, 'gate')}/verdict"
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
