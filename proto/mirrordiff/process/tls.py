"""TLS of a process's servers, HTTP and gRPC alike: one certificate, and clients' own where they are asked.

Files are read anew when they change, since certificates in a cluster live for weeks: new connections
get the new one. A change that cannot be used leaves the files before it in force, and the log says so.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from mirrordiff.process.logs import logger
from mirrordiff.process.settings import PREFIX, Settings, SettingsError

log = logger("mirrordiff.tls")


class TlsSettings(Settings):
    """The settings of a process that serves."""

    tls_cert: Path | None = Field(
        None, description="the servers' certificate with its chain, PEM; makes them TLS"
    )
    tls_key: Path | None = Field(None, description="the key of that certificate, PEM, without a passphrase")
    tls_client_ca: Path | None = Field(
        None, description="who signs clients' certificates, PEM; makes the servers ask for one (mTLS)"
    )


@dataclass(frozen=True, slots=True)
class _Files:
    cert: Path
    key: Path
    client_ca: Path | None

    def __iter__(self) -> Iterator[Path]:
        yield self.cert
        yield self.key
        if self.client_ca is not None:
            yield self.client_ca

    def mark(self) -> tuple[tuple[int, int, int], ...]:
        """Other than before whenever a file has changed."""
        found = []
        for file in self:
            try:
                stat = file.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    def context(self, protocol: str) -> ssl.SSLContext:
        """A server's context, speaking ``protocol``. Raises OSError, of which ssl.SSLError is one."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.set_alpn_protocols([protocol])
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        # A passphrase would be asked for on the terminal, and a server has nobody there.
        made.load_cert_chain(self.cert, self.key, password=lambda: "")
        if self.client_ca is not None:
            made.load_verify_locations(cafile=str(self.client_ca))
            made.verify_mode = ssl.CERT_REQUIRED
        return made


class Pem(NamedTuple):
    """What is in the files."""

    cert: bytes
    key: bytes
    client_ca: bytes | None


class Tls:
    """What servers are secured with."""

    def __init__(self, files: _Files) -> None:
        self._files = files
        self._mark = files.mark()
        self._contexts = self._made()
        self._pem = self._read()

    def http(self, protocol: str = "http/1.1") -> ssl.SSLContext:
        """For a server that takes a context: each new connection gets the files as they are then.

        ``protocol`` is what the server speaks, as TLS names it (RFC 7301): ``http/1.1`` or ``h2``.
        """

        def fresh(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            self._reload()
            connection.context = self._contexts[protocol]

        served = self._files.context(protocol)
        served.sni_callback = fresh  # called in each handshake, for a client that names no server, too
        return served

    @property
    def asks_clients(self) -> bool:
        """Whether clients must show a certificate."""
        return self._files.client_ca is not None

    def pem(self) -> Pem:
        """The files as they are now; the same object for as long as they do not change."""
        self._reload()
        return self._pem

    def _made(self) -> dict[str, ssl.SSLContext]:
        return {protocol: self._files.context(protocol) for protocol in ("http/1.1", "h2")}

    def _read(self) -> Pem:
        ca = self._files.client_ca
        return Pem(
            self._files.cert.read_bytes(), self._files.key.read_bytes(), ca.read_bytes() if ca else None
        )

    def _reload(self) -> None:
        mark = self._files.mark()
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._contexts, self._pem = self._made(), self._read()
        except OSError as error:
            log.error("tls_unusable", error=type(error).__name__, in_force="those before")  # noqa: TRY400
        else:
            log.info("tls_loaded")


def tls(settings: TlsSettings) -> Tls | None:
    """What the settings ask for; None where they ask for none. Raises SettingsError with every problem."""
    given = {
        "TLS_CERT": settings.tls_cert,
        "TLS_KEY": settings.tls_key,
        "TLS_CLIENT_CA": settings.tls_client_ca,
    }
    if not any(given.values()):
        return None
    problems = [
        f"{PREFIX}{name}: is needed beside {', '.join(PREFIX + one for one, path in given.items() if path)}"
        for name in ("TLS_CERT", "TLS_KEY")
        if given[name] is None
    ]
    for name, path in given.items():
        problem = _unreadable(path) if path is not None else ""
        if problem:
            problems.append(f"{PREFIX}{name}: {path}: {problem}")
    if settings.tls_cert is None or settings.tls_key is None or problems:
        raise SettingsError(problems)
    files = _Files(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    for name, made in _parts(files):
        problem = _unusable(made)
        if problem:
            problems.append(f"{PREFIX}{name}: {problem}")
    if problems:
        raise SettingsError(problems)
    return Tls(files)


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return error.strerror or "cannot be read"


def _parts(files: _Files) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "TLS_CERT", lambda: _certificates(files.cert)
    yield "TLS_KEY", partial(_Files(files.cert, files.key, None).context, "http/1.1")
    if files.client_ca is not None:
        ca = files.client_ca
        yield "TLS_CLIENT_CA", lambda: _certificates(ca)


def _certificates(file: Path) -> None:
    ssl.create_default_context(cafile=str(file))


def _unusable(load: Callable[[], Any]) -> str:
    try:
        load()
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "is not the key of this certificate"
        return "cannot be used: it must be PEM, a key without a passphrase"
    return ""
