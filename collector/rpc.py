"""gRPC over HTTP/2: which method a request asks for, its messages, and the status that ends it.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple, Protocol

from collector.captured import Unusable
from collector.http2.blocks import Headers
from collector.http2.frames import Answer

LARGEST_MESSAGE: Final = 64 * 1024 * 1024
"""A proxy ships a batch once it is over its buffer size, whatever the size of the last entry."""


class Messages:
    """Messages out of a stream of bytes, however that is cut: a flag, a length in 4 bytes, the message."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    def take(self, chunk: bytes) -> list[bytes]:
        """The messages that are whole now.

        Raises Unusable(unreadable_message) where one is compressed, which was not agreed on, and
        Unusable(oversized_message) as soon as one announces itself.
        """
        if not self._rest and len(chunk) >= 5 and int.from_bytes(chunk[:5], "big") == len(chunk) - 5:
            return [chunk[5:]]  # as a rule: one message, and it alone
        rest = self._rest
        rest += chunk
        found: list[bytes] = []
        at = 0
        while len(rest) - at >= 5:
            if rest[at]:
                raise Unusable("unreadable_message")
            end = at + 5 + int.from_bytes(rest[at + 1 : at + 5], "big")
            if end - at - 5 > LARGEST_MESSAGE:
                raise Unusable("oversized_message")
            if end > len(rest):
                break
            found.append(bytes(memoryview(rest)[at + 5 : end]))
            at = end
        del rest[:at]
        return found

    @property
    def partial(self) -> int:
        """Bytes of a message that has begun and not ended."""
        return len(self._rest)


class Ending(Enum):
    """Why an RPC is over."""

    ENOUGH = "nothing further is needed"
    FINISHED = "the client has ended it"
    OVERDUE = "the time is up"
    LOST = "the connection is gone, or we were too late"


class Call(Protocol):
    """What the messages of one RPC are given to."""

    lasting: bool
    """Whether it may be open for as long as its client likes."""

    def feed(self, message: bytes) -> bool:
        """Take a message; True where nothing further is needed."""

    def refuse(self, reason: str) -> None:
        """Something came that is no message, or too much of one."""

    def end(self, ending: Ending) -> None:
        """The RPC is over. Called once, and nothing after it."""


class Rpc:
    """An RPC whose client streams, as a request.

    ``hold`` is told how many bytes more, or fewer, wait for the rest of their message, and says how many more
    have room.
    """

    __slots__ = ("_call", "_held", "_hold", "_messages", "_ok")

    def __init__(self, call: Call, ok: Answer, hold: Callable[[int], int]) -> None:
        self._call = call
        self._messages = Messages()
        self._ok = ok
        self._hold = hold
        self._held = 0

    def data(self, chunk: bytes) -> Answer | None:
        """Hand messages on."""
        feed, messages, room = self._call.feed, self._messages, 0
        try:
            whole = messages.take(chunk)
        except Unusable as error:
            return self._failed(error.reason)
        if messages.partial != self._held:
            more, self._held = messages.partial - self._held, messages.partial
            room = self._hold(more)
        for message in whole:
            if feed(message):
                return self._over(Ending.ENOUGH)
        # However little room there is, the largest message has it.
        return self._failed("assembly_full") if room < -LARGEST_MESSAGE else None

    def finished(self, *, late: bool) -> Answer:
        """A message that has begun and not ended is none."""
        if self._messages.partial:
            self._call.refuse("unreadable_message")
        return self._over(Ending.LOST if late else Ending.FINISHED)

    def overdue(self, *, late: bool) -> Answer | None:
        """End what takes longer than it may."""
        return None if self._call.lasting else self._over(Ending.LOST if late else Ending.OVERDUE)

    def reset(self, *, late: bool) -> None:
        """A client that gives an RPC up has ended it, unless it did so because we were not there."""
        self._over(Ending.LOST if late else Ending.FINISHED)

    def lost(self) -> None:
        """Nobody has ended it."""
        self._over(Ending.LOST)

    def _failed(self, reason: str) -> Answer:
        self._call.refuse(reason)
        self._over(Ending.ENOUGH)
        return _FAILED if reason == "unreadable_message" else _EXHAUSTED

    def _over(self, ending: Ending) -> Answer:
        if self._held:
            self._hold(-self._held)
        self._call.end(ending)
        return self._ok


def _field(name: bytes, value: bytes) -> bytes:
    """RFC 7541 §6.2.2: a field that no table takes note of, so that one block serves all connections."""
    return b"\0%c%b%c%b" % (len(name), name, len(value), value)


# RFC 7541 §4.2, §6.3: our table is empty whatever size a client's settings give it. §6.1: status 200.
_NO_TABLE: Final = b"\x20"
_HEADERS: Final = _NO_TABLE + b"\x88" + _field(b"content-type", b"application/grpc")


def _status(code: int) -> bytes:
    return _field(b"grpc-status", b"%d" % code)


OK: Final = Answer(_HEADERS + _status(0))
"""The end, without a message."""

EMPTY: Final = Answer(_HEADERS, bytes(5), _status(0))
"""An empty message, and the end."""

_EXHAUSTED: Final = Answer(_HEADERS + _status(8))
_UNIMPLEMENTED: Final = Answer(_HEADERS + _status(12))
_FAILED: Final = Answer(_HEADERS + _status(13))
_NOT_ALLOWED: Final = Answer(_NO_TABLE + _field(b":status", b"405") + _field(b"allow", b"POST"))
_NOT_GRPC: Final = Answer(_NO_TABLE + _field(b":status", b"415"))


class Method(NamedTuple):
    """What makes a call of a request's headers, and what a call is answered that has not failed."""

    call: Callable[[Headers], Call]
    ok: Answer


class Methods:
    """What is served, by path. ``hold`` is as Rpc's."""

    def __init__(self, methods: Mapping[bytes, Method], hold: Callable[[int], int]) -> None:
        self._methods = methods
        self._hold = hold

    def accept(self, headers: Headers) -> Rpc | Answer:
        """The call that a request makes."""
        if headers[b":method"] != b"POST":
            return _NOT_ALLOWED
        if not headers.get(b"content-type", b"").startswith(b"application/grpc"):
            return _NOT_GRPC
        found = self._methods.get(headers[b":path"])
        if found is None:
            return _UNIMPLEMENTED
        return Rpc(found.call(headers), found.ok, self._hold)
