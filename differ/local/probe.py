"""Asks a process whether it is ready. Every question is short and answers False instead of raising."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

from mirrordiff.process.settings import Address

TIMEOUT = 1.0
"""Seconds for one question."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def http_ask(
    where: Address | Path, target: str, method: str = "GET", *, timeout: float = TIMEOUT
) -> tuple[int, str]:
    """Status and body of a request to an address or a Unix socket; status 0 where there is no answer."""
    connection = (
        _UnixConnection(where, timeout)
        if isinstance(where, Path)
        else http.client.HTTPConnection(where.host, where.port, timeout=timeout)
    )
    try:
        connection.request(method, target)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def http_ok(where: Address | Path, target: str) -> bool:
    """Whether the answer is 200."""
    return http_ask(where, target)[0] == 200


def redis_answers(path: Path) -> bool:
    """Whether a Redis server behind this Unix socket takes commands."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def connects(address: Address) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((address.host, address.port), timeout=TIMEOUT):
            return True
    except OSError:
        return False
