"""How old what is read may be: known by pings alone, whatever stands still or is slow."""

from __future__ import annotations

from collector.http2.frames import ACK, HEAD_BYTES, PING, frame
from collector.http2.lag import LATE_S, PING_EVERY_S, Lag


def payload(ping: bytes) -> bytes:
    content = ping[HEAD_BYTES:]
    assert ping == frame(PING, 0, 0, content)
    assert ping != frame(PING, ACK, 0, content)
    return content


def test_a_client_whose_pings_come_back_is_never_late() -> None:
    lag = Lag(0)
    for tenth in range(1, 1000):
        now = tenth / 10
        if ping := lag.ping(now):
            lag.answered(payload(ping))
        assert not lag.is_late(now)


def test_pings_are_sent_one_at_a_time_and_now_and_then() -> None:
    lag = Lag(0)
    first = lag.ping(1)
    assert lag.ping(100) == b""
    lag.answered(payload(first))
    assert lag.ping(1 + PING_EVERY_S - 0.01) == b""
    assert payload(lag.ping(1 + PING_EVERY_S)) != payload(first)


def test_an_answer_tells_of_what_was_sent_before_its_ping_and_of_nothing_later() -> None:
    lag = Lag(0)
    slow = lag.ping(0)
    assert not lag.is_late(LATE_S)
    assert lag.is_late(LATE_S + 0.01)
    lag.answered(payload(slow))  # it was on its way while we stood still
    assert lag.is_late(LATE_S + 0.01)
    quick = lag.ping(10)
    lag.answered(payload(slow))
    assert lag.is_late(10.1)
    lag.answered(payload(quick))
    assert not lag.is_late(10.1)
