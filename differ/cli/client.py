"""The command line's side of the HTTP API: a request, a JSON document, or an error that says what to do."""

from __future__ import annotations

import functools
import http.client
import json
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import click

from differ.cli import Unreachable

DEFAULT_API = "127.0.0.1:8600"

ENVIRONMENT = "MIRRORDIFF_API"

TOKEN = "MIRRORDIFF_TOKEN"  # noqa: S105  # where it is looked for

Json = dict[str, Any]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


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


class Refused(Unreachable):
    """The API answers, and will not answer this: it lets nobody in with this token, or has no such thing."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API at a URL. Every call is a connection of its own: gates ask twice a minute.

    ``token`` is sent with each of them; ``tls`` is what https trusts, and shows of itself.
    """

    url: str
    token: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
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
            kind = Refused if status < 500 else Unreachable
            hint = f" ({TOKEN} or --token has it)" if status == 401 else ""
            raise kind(f"{self.url}: {document.get('title', status)}: {document.get('detail', '')}{hint}")
        return document

    def target(self, path: str, parameters: Mapping[str, str | int] | None = None) -> str:
        """A path below the API's, with those parameters that say something."""
        wanted = {name: value for name, value in (parameters or {}).items() if value not in ("", 0)}
        return f"{urlsplit(self.url).path}{path}" + (f"?{urlencode(wanted)}" if wanted else "")

    def headers(self, **further: str) -> dict[str, str]:
        """What every request has, and what one has besides."""
        return ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | further

    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        """A connection that is yet to be made."""
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                parts.hostname or "", parts.port, timeout=timeout_s, context=self.tls
            )
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)

    def request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | int] | None = None,
        document: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body of an answer; ``document`` is sent as JSON. Raises Unreachable where none comes."""
        connection = self.connection(self.timeout_s)
        try:
            headers = self.headers(Accept="application/json")
            body = None if document is None else json.dumps(document)
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, self.target(path, parameters), body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(
                f"no API at {self.url}: {why} (--api or {ENVIRONMENT} says where it is)"
            ) from None
        finally:
            connection.close()


def written(client: Api, status: int, body: bytes) -> Json:
    """What the API says it has written; empty where it says nothing.

    Raises a usage error where it cannot be done as asked, Unreachable where the API fails.
    """
    if status == 204:
        return {}
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Unreachable(f"{client.url} answers, but not as mirrordiff's API does (HTTP {status})")
    if status in {400, 404, 409}:
        raise click.UsageError(f"{document.get('title', status)}: {document.get('detail', '')}")
    if status >= 300:
        raise Unreachable(f"{client.url}: {document.get('title', status)}: {document.get('detail', '')}")
    return document


def with_api(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options that say where the API is and who asks; it takes ``client`` for them."""

    @click.option("--api", type=AddressType(), envvar=ENVIRONMENT, default=DEFAULT_API, show_default=True,
                  help="Where the API is.")  # fmt: skip
    @click.option("--token", envvar=TOKEN, default="", metavar="TOKEN",
                  help=f"Who asks. Better in {TOKEN}: other processes see arguments.")  # fmt: skip
    @click.option("--ca-file", type=_FILE, envvar="MIRRORDIFF_CA_FILE",
                  help="Who signs the API's certificate, PEM.")  # fmt: skip
    @click.option("--client-cert", type=_FILE, envvar="MIRRORDIFF_CLIENT_CERT",
                  help="A certificate and its key (PEM), where the API asks for one.")  # fmt: skip
    @functools.wraps(command)
    def called(
        *arguments: Any, api: str, token: str, ca_file: Path | None, client_cert: Path | None, **options: Any
    ) -> Any:
        if not token.isprintable() or not token.isascii():
            raise click.UsageError("--token: has a character that no token has")
        client = Api(api, token.strip(), _tls(ca_file, client_cert))
        return command(*arguments, client=client, **options)

    return called


def _tls(ca_file: Path | None, client_cert: Path | None) -> ssl.SSLContext | None:
    if ca_file is None and client_cert is None:
        return None
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError:
        raise click.UsageError(f"--ca-file: {ca_file} is not PEM") from None
    if client_cert is not None:
        try:
            # A passphrase would be asked for on the terminal, which a pipeline does not have.
            context.load_cert_chain(client_cert, password=lambda: "")
        except OSError:
            raise click.UsageError(
                f"--client-cert: {client_cert} is not PEM: a certificate and its key, no passphrase"
            ) from None
    return context


def segment(text: str, what: str) -> str:
    """A resource id as part of a path. Raises a usage error where it cannot be one."""
    if not re.fullmatch(r"[A-Za-z0-9._~-]{1,128}", text):
        raise click.UsageError(f"{text!r} is no {what}'s id; `mirrordiff get services` lists those there are")
    return text
