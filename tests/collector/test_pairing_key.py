"""The key: equal on both sides of one request, different for two requests, and it tells nothing."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from collector.pairing import canonical, pair_key
from mirrordiff.request_body import HASHED, body_hash

UUID = b"6e7ae35c-7d0e-4ff9-b0fb-a37ba1fdf2d2"


@given(st.sampled_from(b"0123456789abcdef"), st.sampled_from(b"0123456789abcdef"))
def test_trace_sampling_does_not_part_two_sides(one: int, other: int) -> None:
    ids = [UUID[:14] + bytes([digit]) + UUID[15:] for digit in (one, other)]
    assert pair_key(b"s", b"", ids[0], b"GET", b"/") == pair_key(b"s", b"", ids[1], b"GET", b"/")


def test_an_id_that_is_no_uuid_is_left_as_it_is() -> None:
    for request_id in (b"", b"42", b"not-a-uuid-but-exactly-36-characters", UUID[:-1]):
        assert canonical(request_id) == request_id


PARTS = st.tuples(*[st.binary(max_size=4)] * 4, st.text(max_size=4))
Parts = tuple[bytes, bytes, bytes, bytes, str]


@given(PARTS, PARTS)
def test_whatever_differs_in_the_request_parts_the_keys(one: Parts, other: Parts) -> None:
    keys = [
        pair_key(service, b"", b"id" + request_id, method, path, body_hash)
        for service, request_id, method, path, body_hash in (one, other)
    ]
    assert (keys[0] == keys[1]) == (one == other)


@given(st.binary(max_size=9), st.integers(0, 9))
def test_a_body_is_told_by_its_head_and_length_alone(body: bytes, further: int) -> None:
    head = body.ljust(HASHED, b"x")
    size = len(head) + further
    assert body_hash(head, size) == body_hash(head + b"y" * further, size)
    other = bytes([head[0] ^ 1]) + head[1:]
    assert body_hash(head, size) not in {body_hash(head, size + 1), body_hash(other, size)}


def test_no_body_has_no_hash_and_one_is_a_sha256_that_anybody_can_make() -> None:
    assert body_hash(b"", 0) == ""
    assert body_hash(b"abc", 3) == hashlib.sha256(b"abc3").hexdigest()


def test_the_pair_header_wins_over_everything_else() -> None:
    assert pair_key(b"s", b"u1", b"a", b"GET", b"/1") == pair_key(b"s", b"u1", b"b", b"POST", b"/2")
    assert pair_key(b"s", b"u1", b"a", b"GET", b"/1") != pair_key(b"s", b"u2", b"a", b"GET", b"/1")
    assert pair_key(b"s", b"u1", b"a", b"GET", b"/1") != pair_key(b"t", b"u1", b"a", b"GET", b"/1")


def test_without_any_id_there_is_no_key() -> None:
    assert pair_key(b"s", b"", b"", b"GET", b"/") is None


def test_nothing_captured_can_be_read_in_a_key() -> None:
    key = pair_key(b"orders", b"", UUID, b"GET", b"/customers/jane.doe@example.org")
    assert key is not None
    assert key.isalnum()
    assert len(key) == 33
