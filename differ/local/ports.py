"""Addresses to listen on: what a person wrote, whether it is free, and ports that nobody asked for."""

from __future__ import annotations

import errno
import itertools
import os
import random
import socket

from mirrordiff.process.settings import Address, parse_address

LOOPBACK = "127.0.0.1"


def parse_listen(text: str) -> Address:
    """``PORT`` (on the loopback interface), ``HOST:PORT`` or ``:PORT`` (every interface).

    Raises ValueError.
    """
    if text.isascii() and text.isdigit():
        text = f"{LOOPBACK}:{text}"
    try:
        address = parse_address(text)
    except ValueError:
        raise ValueError("is not an address: write PORT or HOST:PORT, a port being 1 to 65535") from None
    if address.port == 0:
        raise ValueError("is not an address: write PORT or HOST:PORT, a port being 1 to 65535")
    return address


def why_not_free(address: Address) -> str | None:
    """Why nothing can listen there, or None where something can."""
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror:
        return f"no address is known for {address.host}"
    family, kind, protocol, _, target = found[0]
    with socket.socket(family, kind, protocol) as probe:
        # As servers do it: a connection of the last run that is still closing is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(target)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {address.port} is taken by another program"
            if error.errno == errno.EACCES:
                return f"port {address.port} may not be used without more rights"
            return f"{address} cannot be listened on: {os.strerror(error.errno or 0)}"
    return None


_GIVEN_OUT = range(20_000, 32_768)
"""Below those that systems give to connections and to whoever asks for port 0 (Linux: from 32768 on)."""

_first = random.randrange(len(_GIVEN_OUT))  # noqa: S311 - no secret
_candidates = itertools.cycle([*_GIVEN_OUT[_first:], *_GIVEN_OUT[:_first]])


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that were free a moment ago, all different.

    Nothing takes one by chance before its owner listens, but for another process that is given it the same
    way: each starts at a port of its own, and gives none out again before it has been through all.
    """
    found: list[int] = []
    for _ in range(len(_GIVEN_OUT)):
        if len(found) == count:
            return found
        port = next(_candidates)
        if why_not_free(Address(LOOPBACK, port)) is None:
            found.append(port)
    raise OSError(errno.EADDRINUSE, f"no {count} ports of {LOOPBACK} are free")
