"""The streams of one connection: what is open, what becomes of it, and the client's room for our answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from collector.http2.blocks import Block, Headers
from collector.http2.frames import (
    CANCEL,
    DEFAULT_WINDOW,
    FLOW_CONTROL_ERROR,
    LARGEST_WINDOW,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    Answer,
    ConnectionFault,
    StreamFault,
    frame,
    number,
)

STREAM_WINDOW: Final = 1024 * 1024
"""Bytes a client may send on a stream ahead of us: what stays in a proxy's own memory while we hang is
freed with the stream, and what is on the connection is not."""

MOST_STREAMS: Final = 65_536
"""Open at once on one connection. Envoy keeps a stream for five seconds after its response; it opens a
further connection where one has this many."""

MOST_ENDED: Final = 256
"""Streams remembered of those that the client has ended, since nothing may follow on them. On those
that we have ended something may be on its way, and is passed over."""


class Request(Protocol):
    """What a request's stream is given to. An answer ends it, and nothing is called after one.

    ``late`` says that some of it may have waited here, for longer than its client waits to be rid of it.
    """

    def data(self, chunk: bytes) -> Answer | None:
        """Take some of the body."""

    def finished(self, *, late: bool) -> Answer:
        """The client has sent all of it."""

    def overdue(self, *, late: bool) -> Answer | None:
        """It has been open for as long as the server lets requests be."""

    def reset(self, *, late: bool) -> None:
        """The client has given it up, or broken the rules with it."""

    def lost(self) -> None:
        """The connection is gone."""


Accept = Callable[[Headers], Request | Answer]
"""Makes something of a request's headers, or answers by them alone."""


class _Stream:
    __slots__ = ("late", "length", "opened", "received", "request", "room", "unacknowledged")

    def __init__(self, request: Request, opened: float, length: int | None, *, late: bool) -> None:
        self.request = request
        self.late = late
        self.opened = opened
        self.length = length
        self.received = 0
        self.unacknowledged = 0
        self.room = 0  # beyond what the client gives every stream


class Streams:
    """Takes what comes on streams, and appends to ``out`` what is to be said. Raises both kinds of fault."""

    def __init__(self, accept: Accept, out: list[bytes]) -> None:
        self.newest = 0
        """The highest number that the client has used."""
        self.leaving = False
        """Whether nothing new is taken."""
        self.room = DEFAULT_WINDOW
        """Bytes that the client has room for, over all streams."""
        self.room_of_each = DEFAULT_WINDOW
        """The same for each stream, before any update of its own."""
        self._accept = accept
        self._out = out
        self._clock = asyncio.get_running_loop().time
        self._open: dict[int, _Stream] = {}
        self._ended: dict[int, None] = {}
        self._late = False

    @property
    def late(self) -> bool:
        """Whether what is read now may have waited here for long. What was open then stays late."""
        return self._late

    @late.setter
    def late(self, late: bool) -> None:
        if late and not self._late:
            for found in self._open.values():
                found.late = True
        self._late = late

    def __len__(self) -> int:
        """Requests that have no answer yet."""
        return len(self._open)

    def data(self, stream: int, payload: bytes, size: int, *, ended: bool) -> None:
        """Some of a body, that took ``size`` bytes with its padding."""
        found = self._open.get(stream)
        if found is None:
            self._check_begun(stream)
            if stream in self._ended:
                raise ConnectionFault(STREAM_CLOSED)
            return
        found.received += len(payload)
        found.unacknowledged += size
        answer = found.request.data(payload) if payload else None
        if answer is not None:
            self._answer(stream, found, answer, ended=ended)
        elif ended:
            self._finish(stream, found)
        elif found.unacknowledged >= STREAM_WINDOW // 2:
            self._out.append(frame(WINDOW_UPDATE, 0, stream, number(found.unacknowledged)))
            found.unacknowledged = 0

    def headers(self, stream: int, block: Block, *, ended: bool) -> None:
        """A request's headers, or its trailers."""
        if stream > self.newest:
            self._begin(stream, block, ended=ended)
        elif found := self._open.get(stream):
            if block.pseudo or not block.well_formed or not ended:
                raise StreamFault(PROTOCOL_ERROR)
            self._finish(stream, found)
        elif stream in self._ended:
            raise ConnectionFault(STREAM_CLOSED)
        elif block.pseudo:
            raise ConnectionFault(PROTOCOL_ERROR)  # §5.1.1: streams are numbered upwards

    def reset(self, stream: int) -> None:
        """The client has given a stream up."""
        self._check_begun(stream)
        if found := self._open.pop(stream, None):
            self._remember_ended(stream)
            found.request.reset(late=found.late)

    def fault(self, stream: int, code: int) -> None:
        """End a stream whose client has broken the rules."""
        self._out.append(frame(RST_STREAM, 0, stream, number(code)))
        if found := self._open.pop(stream, None):
            found.request.reset(late=found.late)

    def widen(self, stream: int, more: int) -> None:
        """The client has room for more, on a stream or, as 0, on all together."""
        if not stream:
            self.room = _widened(self.room, more, ConnectionFault)
            return
        self._check_begun(stream)
        found = self._open.get(stream)
        room = _widened(self.room_of_each + (found.room if found else 0), more, StreamFault)
        if found:
            found.room = room - self.room_of_each

    def expire(self, seconds: float) -> None:
        """End what has been open for so long and may not be."""
        latest = self._clock() - seconds
        due = []
        for stream, found in self._open.items():  # oldest first
            if found.opened > latest:
                break
            due.append((stream, found))
        for stream, found in due:
            if answer := found.request.overdue(late=found.late):
                self._answer(stream, found, answer, ended=False)

    def lost(self) -> None:
        """Nothing comes any more, and nothing can be said."""
        streams, self._open = self._open, {}
        for found in streams.values():
            found.request.lost()

    def _begin(self, stream: int, block: Block, *, ended: bool) -> None:
        self.newest = stream
        if self.leaving:
            return
        if len(self._open) >= MOST_STREAMS:
            raise StreamFault(REFUSED_STREAM)
        if not block.pseudo or not block.well_formed:
            raise StreamFault(PROTOCOL_ERROR)
        request = self._accept(block.fields)
        if isinstance(request, Answer):
            self._say(stream, request, ended=ended)
            return
        found = self._open[stream] = _Stream(request, self._clock(), block.length, late=self._late)
        if ended:
            self._finish(stream, found)

    def _finish(self, stream: int, found: _Stream) -> None:
        """The client has ended its part of a stream."""
        if found.length is not None and found.length != found.received:
            raise StreamFault(PROTOCOL_ERROR)
        self._answer(stream, found, found.request.finished(late=found.late), ended=True)

    def _answer(self, stream: int, found: _Stream, answer: Answer, *, ended: bool) -> None:
        del self._open[stream]
        self._say(stream, answer, ended=ended, room=found.room)

    def _say(self, stream: int, answer: Answer, *, ended: bool, room: int = 0) -> None:
        if ended:
            self._remember_ended(stream)
        if answer.size > min(self.room, self.room_of_each + room):
            # Nothing is kept for a client that has no room for a few bytes.
            self._out.append(frame(RST_STREAM, 0, stream, number(CANCEL)))
            return
        self.room -= answer.size
        self._out.append(answer.on(stream, ended=ended))

    def _check_begun(self, stream: int) -> None:
        if stream > self.newest or stream % 2 == 0:
            raise ConnectionFault(PROTOCOL_ERROR)

    def _remember_ended(self, stream: int) -> None:
        self._ended[stream] = None
        if len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]


def _widened(room: int, more: int, fault: Callable[[int], Exception]) -> int:
    """A window after an update of it, §6.9."""
    if not more:
        raise fault(PROTOCOL_ERROR)
    if room + more > LARGEST_WINDOW:
        raise fault(FLOW_CONTROL_ERROR)
    return room + more
