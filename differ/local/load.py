"""The demo's clients: a few connections that are kept open, each sending its next request on its answer."""

from __future__ import annotations

import http.client
import queue
import threading
from collections.abc import Iterator, Sequence

from differ.local.signalled import Signalled
from mirrordiff.process.settings import Address

TIMEOUT = 30.0
"""Seconds that one answer may take."""


def send(address: Address, paths: Sequence[str], *, clients: int = 8, stop: Signalled) -> Iterator[int]:
    """Send a GET of each path; gives the status of each answer as it comes, 0 where there was none.

    Ends early once ``stop`` is set. Every request is sent once: none is repeated.
    """
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for path in paths:
        waiting.put(path)
    statuses: queue.SimpleQueue[int] = queue.SimpleQueue()
    over = threading.Event()

    def client() -> None:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT)
        try:
            while not (stop.is_set() or over.is_set()):
                statuses.put(_ask(connection, waiting.get_nowait()))
        except queue.Empty:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=client, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        given = 0
        while given < len(paths) and not stop.is_set():
            try:
                status = statuses.get(timeout=0.1)
            except queue.Empty:
                continue
            given += 1
            yield status
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _ask(connection: http.client.HTTPConnection, path: str) -> int:
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        connection.close()  # and opened anew by the next request
        return 0
    return response.status
