"""Under which key the responses to one mirrored request meet.

A key is made of what both sides have in common and nothing of it can be read back from the key:
key names show up in places where captured text must not.
"""

from __future__ import annotations

from hashlib import blake2b

PAIR_HEADER = b"x-mirrordiff-pair"
"""Stamped by the mirroring route with %UNIQUE_ID%: new for every request, equal on all its sides."""

_TRACE_DIGIT = 14
"""The character of a UUID that Envoy rewrites when it samples a trace (``xxxxxxxx-xxxx-Mxxx-…``).

Envoy, source/extensions/request_id/uuid/config.cc: 9 sampled, a forced, b forced by the client.
"""


def canonical(request_id: bytes) -> bytes:
    """The request id with the digit that differs per proxy masked, where it is a UUID."""
    if len(request_id) == 36 and request_id.count(b"-") == 4 and request_id[_TRACE_DIGIT - 1] == 0x2D:
        return request_id[:_TRACE_DIGIT] + b"x" + request_id[_TRACE_DIGIT + 1 :]
    return request_id


def pair_key(
    service: bytes, pair_id: bytes, request_id: bytes, method: bytes, path: bytes, body_hash: str = ""
) -> bytes | None:
    """The pair's key, 33 ASCII characters; None where the request carries neither id.

    The pair id wins. Without one, the request id alone would not do: one id may stand on several
    requests to one service, so what was asked joins the key: ``body_hash`` as mirrordiff.request_body
    has it, so that it does not matter which way the two sides come.
    """
    if pair_id:
        return b"p" + _digest(service, pair_id)
    if request_id:
        return b"r" + _digest(service, canonical(request_id), method, path, body_hash.encode())
    return None


def _digest(*parts: bytes) -> bytes:
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    framed = b"".join([b"%d:%b" % (len(part), part) for part in parts])
    return blake2b(framed, digest_size=16).hexdigest().encode()
