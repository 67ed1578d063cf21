"""The command line's side of the HTTP API: a request, a JSON document, or an error that says what to do."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import click

from differ.cli import Unreachable

DEFAULT_API = "127.0.0.1:8600"

ENVIRONMENT = "MIRRORDIFF_API"

Json = dict[str, Any]


class AddressType(click.ParamType[str]):
    """``host:port`` or a URL; what comes out is a URL without a slash at its end."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The URL. Fails with a usage error where it is none."""
        url = value if "://" in value else f"http://{value}"
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == -1 or parts.query:
            self.fail("write host:port or a URL, for example 127.0.0.1:8600", param, ctx)
        return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class Api:
    """The API at a URL. Every call is a connection of its own: gates ask twice a minute."""

    url: str
    timeout_s: float = 10.0

    def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> Json:
        """A JSON document. Raises Unreachable where there is none, with what is known about why."""
        status, body = self.request("GET", path, parameters)
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Unreachable(f"{self.url} answers, but not as mirrordiff's API does (HTTP {status})")
        if status >= 400:
            raise Unreachable(f"{self.url}: {document.get('title', status)}: {document.get('detail', '')}")
        return document

    def target(self, path: str, parameters: Mapping[str, str | int] | None = None) -> str:
        """A path below the API's, with those parameters that say something."""
        wanted = {name: value for name, value in (parameters or {}).items() if value not in ("", 0)}
        return f"{urlsplit(self.url).path}{path}" + (f"?{urlencode(wanted)}" if wanted else "")

    def request(
        self, method: str, path: str, parameters: Mapping[str, str | int] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of an answer. Raises Unreachable where none comes."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout_s)
        try:
            connection.request(method, self.target(path, parameters), headers={"Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(
                f"no API at {self.url}: {why} (--api or {ENVIRONMENT} says where it is)"
            ) from None
        finally:
            connection.close()


def segment(text: str, what: str) -> str:
    """A resource id as part of a path. Raises a usage error where it cannot be one."""
    if not re.fullmatch(r"[A-Za-z0-9._~-]{1,128}", text):
        raise click.UsageError(f"{text!r} is no {what}'s id; `mirrordiff get services` lists those there are")
    return text
