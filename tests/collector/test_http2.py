"""The HTTP/2 server: what RFC 9113 asks of one, a client that keeps to it, and clients that do not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st

from collector.http2 import connection, streams
from collector.http2.blocks import LARGEST_LIST, Blocks
from collector.http2.frames import (
    ACK,
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEAD,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    MAX_FRAME_SIZE,
    NO_ERROR,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    frame,
    number,
    settings,
)
from tests.collector.http2_peer import REQUEST, Fields, Peer, block, data, opened, raw, serving, to
from tests.waiting import eventually


async def test_a_request_is_read_and_answered() -> None:
    async with serving() as server, raw(server.port) as client:
        client.send(opened(), data(b"he"), data(b"llo"), data(b"", ended=True))
        answer = await client.next(HEADERS)
        assert (answer.stream, answer.flags & END_STREAM) == (1, END_STREAM)
        await client.answers()
    (request,) = server.requests
    assert (request.body, request.ended) == (b"hello", "finished")
    assert request.headers[b"content-type"] == b"application/grpc"


async def test_an_early_answer_ends_the_stream_and_what_still_comes_is_passed_over() -> None:
    async with serving() as server, raw(server.port) as client:
        client.send(opened(fields=[*REQUEST, ("x-enough", "3")]), data(b"abcd"))
        assert (await client.next(HEADERS)).flags & END_STREAM
        assert (await client.next(RST_STREAM)).code == NO_ERROR
        client.send(
            data(b"more"), opened(1, [("x-trailer", "1")], ended=True), frame(RST_STREAM, 0, 1, bytes(4))
        )
        client.send(opened(3, ended=True))
        assert (await client.next(HEADERS)).stream == 3
    assert [(one.body, one.ended) for one in server.requests] == [(b"abcd", "enough"), (b"", "finished")]


async def test_padding_priority_trailers_and_the_unknown_are_read_as_meant() -> None:
    head = block()
    padded = frame(HEADERS, END_HEADERS | PADDED | WITH_PRIORITY, 1, b"\2" + bytes(5) + head + bytes(2))
    async with serving() as server, raw(server.port) as client:
        client.send(
            padded, frame(0xBE, 0xFF, 1, b"?"), frame(PRIORITY, 0, 9, bytes(5)),
            frame(DATA, PADDED, 1, b"\3abc" + bytes(3)), opened(1, [("x-trailer", "1")], ended=True),
        )  # fmt: skip
        assert (await client.next(HEADERS)).flags & END_STREAM
        client.send(frame(HEADERS, END_STREAM, 3, head[:3]), frame(CONTINUATION, 0, 3, head[3:9]))
        client.send(frame(CONTINUATION, END_HEADERS, 3, head[9:]))
        assert (await client.next(HEADERS)).stream == 3
    assert [request.body for request in server.requests] == [b"abc", b""]


async def test_bytes_may_come_one_by_one() -> None:
    async with serving() as server, raw(server.port, preface=b"", first=b"") as client:
        for byte in PREFACE + settings({}) + opened() + data(b"hello", ended=True):
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.next(HEADERS)).stream == 1
    assert server.requests[0].body == b"hello"


CONNECTION_FAULTS: dict[str, tuple[bytes, int]] = {
    "a frame over the size": (HEAD.pack(64, 1, DATA, 0, 1), FRAME_SIZE_ERROR),
    "data on the connection": (data(b"x", 0), PROTOCOL_ERROR),
    "data on a stream that is idle": (data(b"x", 1), PROTOCOL_ERROR),
    "data after the end": (opened(ended=True) + data(b"x"), STREAM_CLOSED),
    "data after a reset": (opened() + frame(RST_STREAM, 0, 1, bytes(4)) + data(b"x"), STREAM_CLOSED),
    "more padding than payload": (opened() + frame(DATA, PADDED, 1, b"\2x"), PROTOCOL_ERROR),
    "a stream of the server's": (opened(2), PROTOCOL_ERROR),
    "streams numbered downwards": (opened(5) + opened(3), PROTOCOL_ERROR),
    "headers after the end": (opened(ended=True) + opened(ended=True), STREAM_CLOSED),
    "headers with half a priority": (frame(HEADERS, WITH_PRIORITY | END_HEADERS, 1, b"xx"), FRAME_SIZE_ERROR),
    "a block interrupted": (frame(HEADERS, 0, 1, block()) + data(b"x"), PROTOCOL_ERROR),
    "a block that goes on elsewhere": (
        frame(HEADERS, 0, 1, block()) + frame(CONTINUATION, END_HEADERS, 3), PROTOCOL_ERROR,
    ),
    "a continuation of nothing": (frame(CONTINUATION, END_HEADERS, 1, block()), PROTOCOL_ERROR),
    "a block that is none": (frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"), COMPRESSION_ERROR),
    "a block that unpacks to too much": (
        frame(HEADERS, END_HEADERS, 1, Encoder().encode([("x", "y" * 4000)]) + b"\xbe" * 100),
        COMPRESSION_ERROR,
    ),
    "a block without an end": (
        frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1, bytes(LARGEST_FRAME)) * 5, ENHANCE_YOUR_CALM,
    ),
    "a block of nothing without an end": (
        frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 20, ENHANCE_YOUR_CALM,
    ),
    "a priority of the connection": (frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR),
    "a priority cut off": (frame(PRIORITY, 0, 1, bytes(4)), FRAME_SIZE_ERROR),
    "a reset of what is idle": (frame(RST_STREAM, 0, 1, bytes(4)), PROTOCOL_ERROR),
    "a reset without a reason": (opened() + frame(RST_STREAM, 0, 1), FRAME_SIZE_ERROR),
    "settings of a stream": (frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
    "settings cut off": (frame(SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    "settings taken note of, with some": (frame(SETTINGS, ACK, 0, bytes(6)), FRAME_SIZE_ERROR),
    "neither pushed to nor not": (settings({ENABLE_PUSH: 2}), PROTOCOL_ERROR),
    "a window over the largest": (settings({INITIAL_WINDOW_SIZE: 2**31}), FLOW_CONTROL_ERROR),
    "frames under the least size": (settings({MAX_FRAME_SIZE: LARGEST_FRAME - 1}), PROTOCOL_ERROR),
    "a push": (frame(PUSH_PROMISE, END_HEADERS, 1, number(2) + block()), PROTOCOL_ERROR),
    "a ping of a stream": (frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "a ping cut off": (frame(PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "a stream that goes away": (frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "going away cut off": (frame(GOAWAY, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "an update cut off": (frame(WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "an update of what is idle": (frame(WINDOW_UPDATE, 0, 1, number(1)), PROTOCOL_ERROR),
    "an update by nothing": (frame(WINDOW_UPDATE, 0, 0, number(0)), PROTOCOL_ERROR),
    "an update over the largest": (frame(WINDOW_UPDATE, 0, 0, number(LARGEST_WINDOW)), FLOW_CONTROL_ERROR),
}  # fmt: skip


@pytest.mark.parametrize("fault", CONNECTION_FAULTS)
async def test_a_fault_of_the_connection_ends_it_and_no_other(fault: str) -> None:
    sent, code = CONNECTION_FAULTS[fault]
    async with serving() as server, raw(server.port) as neighbour, raw(server.port) as client:
        neighbour.send(opened())
        await neighbour.answers()
        client.send(sent, opened(99, ended=True))
        assert (await client.next(GOAWAY)).code == code
        await client.closed()
        neighbour.send(data(b"x", ended=True))
        await neighbour.next(HEADERS)
    first, *others = server.requests
    assert (first.body, first.ended) == (b"x", "finished")
    assert all(other.ended in {"lost", "reset", "finished"} for other in others)


@pytest.mark.parametrize(
    ("preface", "first"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b""),
        (PREFACE, frame(PING, 0, 0, bytes(8))),
        (PREFACE, opened()),
    ],
)
async def test_a_client_greets_first(preface: bytes, first: bytes) -> None:
    async with serving() as server, raw(server.port, preface=preface, first=first) as client:
        assert (await client.next(GOAWAY)).code == PROTOCOL_ERROR
        await client.closed()


async def test_one_that_does_not_greet_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "GREETING_S", 0.0)
    async with serving() as server, raw(server.port, first=b"") as silent, raw(server.port) as client:
        await client.answers()
        for each in list(server.connections):
            each.expire(60)
        await silent.closed()
        await client.answers()


def without(name: str) -> Fields:
    return [field for field in REQUEST if field[0] != name]


MALFORMED: dict[str, Fields] = {
    "no method": without(":method"),
    "no scheme": without(":scheme"),
    "no path": without(":path"),
    "an empty path": to(""),
    "trailers alone": [("x", "y")],
    "a pseudo-header twice": [(":path", "/"), *REQUEST],
    "one of answers": [(":status", "200"), *REQUEST],
    "one behind the others": [("x", "y"), *REQUEST],
    "capitals": [*REQUEST, ("X-Big", "y")],
    "no name": [*REQUEST, ("", "y")],
    "a colon in a name": [*REQUEST, ("x:y", "z")],
    "a line end": [*REQUEST, ("x", "y\r\nz: 1")],
    "space around": [*REQUEST, ("x", " y")],
    "a field of connections": [*REQUEST, ("connection", "close")],
    "te of another kind": [*REQUEST, ("te", "gzip")],
    "a length that is none": [*REQUEST, ("content-length", "+1")],
    "two lengths": [*REQUEST, ("content-length", "1"), ("content-length", "2")],
}

STREAM_FAULTS: dict[str, tuple[bytes, int]] = {
    **{name: (opened(fields=fields), PROTOCOL_ERROR) for name, fields in MALFORMED.items()},
    "less than was announced": (
        opened(fields=[*REQUEST, ("content-length", "2")]) + data(b"x", ended=True), PROTOCOL_ERROR,
    ),
    "trailers that end nothing": (opened() + opened(1, [("x", "y")]), PROTOCOL_ERROR),
    "trailers with a path": (opened() + opened(1, [(":path", "/")], ended=True), PROTOCOL_ERROR),
    "an update by nothing": (opened() + frame(WINDOW_UPDATE, 0, 1, number(0)), PROTOCOL_ERROR),
    "an update over the largest": (
        opened() + frame(WINDOW_UPDATE, 0, 1, number(LARGEST_WINDOW)), FLOW_CONTROL_ERROR,
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", STREAM_FAULTS)
async def test_a_fault_of_a_stream_ends_that_alone(fault: str) -> None:
    sent, code = STREAM_FAULTS[fault]
    async with serving() as server, raw(server.port) as client:
        client.send(sent)
        reset = await client.next(RST_STREAM)
        assert (reset.stream, reset.code) == (1, code)
        client.send(opened(3, ended=True))
        assert (await client.next(HEADERS)).stream == 3
    assert [request.ended for request in server.requests[:-1]] in ([], ["reset"])


async def test_whatever_comes_the_server_goes_on() -> None:
    """Frames at random: each is understood or refused, and what was begun has an end."""
    draw = random.Random(9113)
    unforeseen: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unforeseen.append(context))

    def conversation() -> bytes:
        sent, stream = opened(), 1
        for _ in range(20):
            if draw.random() < 0.4:
                stream += 2
                sent += opened(
                    stream, to(draw.choice(["/", "/bodied", "/nothing", ""])), ended=draw.random() < 0.3
                )
                continue
            kind, payload = draw.choice(
                [(DATA, draw.randbytes(40))] * 9
                + [(RST_STREAM, bytes(4)), (WINDOW_UPDATE, number(9)), (PRIORITY, bytes(5)), (0xBE, b"?")] * 2
                + [(draw.randrange(10), draw.randbytes(8))]
            )  # fmt: skip
            flags = draw.choice([0, END_STREAM, draw.randrange(64)])
            sent += frame(kind, flags, draw.choice([stream, max(1, stream - 2)]), payload)
        return sent

    async with serving() as server, raw(server.port) as neighbour:
        for _ in range(200):
            async with raw(server.port) as client:
                client.send(conversation())
                client.writer.write_eof()
                await client.closed()
        await neighbour.answers()
    assert unforeseen == []
    assert len(server.requests) > 400  # more than the first of each
    assert {request.ended for request in server.requests} == {"finished", "reset", "lost"}


async def test_what_is_open_for_long_is_asked_and_a_stream_may_last() -> None:
    async with serving() as server, raw(server.port) as client:
        client.send(opened(1, to("/lasting")), opened(3))
        await client.answers()
        (one,) = server.connections
        one.expire(60)
        assert [request.ended for request in server.requests] == ["", ""]
        one.expire(0)
        assert (await client.next(RST_STREAM)).stream == 3
        assert [request.ended for request in server.requests] == ["", "overdue"]


async def test_a_server_that_leaves_lets_what_is_open_end_and_takes_nothing_new() -> None:
    async with serving() as server, raw(server.port) as client:
        client.send(opened())
        await client.answers()
        (one,) = server.connections
        one.leave()
        told = await client.next(GOAWAY)
        assert (told.code, told.payload[:4]) == (NO_ERROR, number(1))
        client.send(opened(3, ended=True), data(b"x", ended=True))
        assert (await client.next(HEADERS)).stream == 1
        assert [request.ended for request in server.requests] == ["finished"]
        assert one.open_streams == 0


async def test_a_connection_that_is_gone_loses_what_was_open() -> None:
    async with serving() as server:
        async with raw(server.port) as client:
            client.send(opened(), opened(3, ended=True))
            await client.answers()
        await eventually(lambda: told(not server.connections), "the server has noticed")
    assert [request.ended for request in server.requests] == ["lost", "finished"]


async def told(value: bool) -> bool:
    return value


async def test_more_streams_than_are_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_STREAMS", 2)
    async with serving() as server, raw(server.port) as client:
        client.send(opened(1), opened(3), opened(5))
        refused = await client.next(RST_STREAM)
        assert (refused.stream, refused.code) == (5, REFUSED_STREAM)
        client.send(data(b"", 1, ended=True), opened(7, ended=True))
        assert [(await client.next(HEADERS)).stream for _ in range(2)] == [1, 7]


async def test_what_waited_while_the_server_stood_still_is_late_until_the_client_answers_a_ping() -> None:
    async with serving(behind=10) as server, raw(server.port) as client:
        client.send(opened(1), opened(3), opened(5), opened(7))
        await client.answers()
        (connection,) = server.connections
        connection.expire(60)
        connection.expire(60)  # one ping at a time
        ping = await client.next(PING)
        gone = frame(RST_STREAM, 0, 1, bytes(4))
        client.send(gone, frame(PING, ACK, 0, b"another!"), data(b"", 3, ended=True))
        client.send(frame(PING, ACK, 0, ping.payload))
        await client.answers()
        # What was begun before stays late.
        client.send(opened(9), frame(RST_STREAM, 0, 5, bytes(4)), data(b"", 9, ended=True), opened(11))
        await client.answers()
        connection.expire(0)
        connection.close()
    assert [(request.ended, request.late) for request in server.requests] == [
        ("reset", True), ("finished", True), ("reset", True), ("overdue", True), ("finished", False),
        ("overdue", False),
    ]  # fmt: skip


async def test_streams_opened_and_reset_in_a_hurry_leave_nothing() -> None:
    async with serving() as server, raw(server.port) as client:
        for stream in range(1, 20_001, 2):
            client.send(opened(stream), frame(RST_STREAM, 0, stream, number(CANCEL)))
        await client.answers()
        (one,) = server.connections
        assert (len(server.requests), one.open_streams) == (10_000, 0)
        assert {request.ended for request in server.requests} == {"reset"}


@pytest.mark.parametrize("asked", [frame(PING, 0, 0, bytes(8)), settings({})])
async def test_one_that_reads_no_answers_is_let_go(asked: bytes) -> None:
    async with serving() as server, raw(server.port) as neighbour, raw(server.port) as client:
        client.send(opened())
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        flood = asked * 10_000

        async def gone() -> bool:
            if not client.writer.is_closing():
                client.send(flood)
            return len(server.connections) == 1

        await eventually(gone, "the connection is let go")
        await neighbour.answers()
    assert server.requests[0].ended == "lost"


async def test_an_answer_keeps_to_the_client_s_windows() -> None:
    fields = to("/bodied")
    async with serving() as server, raw(server.port, first=settings({INITIAL_WINDOW_SIZE: 4})) as client:
        client.send(opened(1, fields, ended=True))
        assert (await client.next(RST_STREAM, 1)).code == CANCEL  # five bytes, of which nothing is kept
        client.send(opened(3, fields), frame(WINDOW_UPDATE, 0, 3, number(1)), data(b"", 3, ended=True))
        assert (await client.next(DATA, 3)).payload == b"hello"
        assert (await client.next(HEADERS, 3)).flags & END_STREAM
        client.send(settings({INITIAL_WINDOW_SIZE: 2**20}))
        count = (65_535 - 5) // 5
        numbers = range(5, 5 + 2 * count + 2, 2)
        for stream in numbers:
            client.send(opened(stream, fields, ended=True))
        last = await client.next(RST_STREAM)
        assert (last.stream, last.code) == (numbers[-1], CANCEL)
        client.send(frame(WINDOW_UPDATE, 0, 0, number(5)), opened(numbers[-1] + 2, fields, ended=True))
        assert (await client.next(DATA)).stream == numbers[-1] + 2


class Conforming:
    """A client made with the h2 library, which holds the server to the protocol."""

    def __init__(self, through: Peer) -> None:
        self.through = through
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.answered: dict[int, Sequence[tuple[str, str]]] = {}
        self.ended: set[int] = set()
        self.reset: dict[int, int] = {}
        self.state.initiate_connection()

    async def talk(self, *, until: int) -> None:
        """Send what is to be sent and read, until a stream has ended."""
        async with asyncio.timeout(30):
            while until not in self.ended:
                self.through.send(self.state.data_to_send())
                for event in self.state.receive_data(await self.through.reader.read(65536)):
                    if isinstance(event, h2.events.ResponseReceived):
                        assert event.stream_id is not None
                        self.answered[event.stream_id] = event.headers or []  # type: ignore[assignment]
                    elif isinstance(event, h2.events.StreamEnded):
                        assert event.stream_id is not None
                        self.ended.add(event.stream_id)
                    else:
                        assert not isinstance(event, h2.events.ConnectionTerminated)


async def test_a_conforming_client_is_never_held_up_and_finds_no_fault() -> None:
    """More than every window, on streams that are read and on one that has its answer long since."""
    async with serving() as server, raw(server.port, preface=b"", first=b"") as through:
        client = Conforming(through)
        await through.next(SETTINGS)  # the greeting, which h2 is to see as well
        client.state.receive_data(settings({INITIAL_WINDOW_SIZE: streams.STREAM_WINDOW}))
        size = connection.CONNECTION_WINDOW + 1024 * 1024
        client.state.send_headers(1, list(REQUEST))
        sent = 0
        while sent < size:
            room = min(LARGEST_FRAME, client.state.local_flow_control_window(1), size - sent)
            if room:
                client.state.send_data(1, bytes(room))
                sent += room
                through.send(client.state.data_to_send())
            else:
                client.state.receive_data(await asyncio.wait_for(through.reader.read(65536), 10))
        client.state.end_stream(1)
        await client.talk(until=1)
        for stream in range(3, 403, 2):
            fields = [*REQUEST, ("x-enough", "1"), ("x-number", str(stream // 40))]
            client.state.send_headers(stream, fields)
            client.state.send_data(stream, b"x")
        await client.talk(until=401)
    assert len(server.requests[0].body) == size
    assert [request.headers[b"x-number"] for request in server.requests[1:]] == [
        b"%d" % (stream // 40) for stream in range(3, 403, 2)
    ]
    assert client.answered[401] == [(":status", "200")]


NAMES = st.sampled_from(["x-a", "x-b", "x-c"])
VALUES = st.sampled_from(["1", "2", "some longer value", "z" * 1200])
LISTS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
SIZES = st.none() | st.sampled_from([0, 64, 4096])


@given(st.lists(st.tuples(LISTS, SIZES), max_size=12))
def test_a_block_decoded_once_says_what_it_would_say_again(lists: list[tuple[Fields, int | None]]) -> None:
    """Whatever the table has become in between; a decoder that remembers nothing is the measure."""
    encoder, plain, blocks = Encoder(), Decoder(), Blocks()
    for fields, size in lists:
        if size is not None:
            encoder.header_table_size = size
        encoded = encoder.encode([*REQUEST, *fields])
        expected = dict(plain.decode(encoded, raw=True))
        assert blocks.decoded(encoded).fields == expected


def test_the_largest_list_that_settings_allow_is_taken() -> None:
    largest = Encoder().encode([*REQUEST, ("x", "y" * (LARGEST_LIST - 400))], huffman=False)
    assert Blocks().decoded(largest).well_formed
