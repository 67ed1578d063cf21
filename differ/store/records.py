"""What is kept in Redis as documents, and captures as the core sees them. MessagePack, by field name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from differ.core.model import End, Finding, Headers, Response, Role
from mirrordiff.v1.capture_pb2 import (
    END_ABORTED,
    END_COMPLETE,
    END_NO_RESPONSE,
    END_NOT_CAPTURED,
    END_TRUNCATED,
    END_UPGRADE,
    ROLE_CONTROL,
    ROLE_PRIMARY,
    ROLE_SHADOW,
    Capture,
)

_ENDS = {
    END_COMPLETE: End.COMPLETE,
    END_TRUNCATED: End.TRUNCATED,
    END_NO_RESPONSE: End.NO_RESPONSE,
    END_UPGRADE: End.UPGRADE,
    END_ABORTED: End.ABORTED,
    END_NOT_CAPTURED: End.NOT_CAPTURED,
}

ROLES = {ROLE_PRIMARY: Role.PRIMARY, ROLE_SHADOW: Role.SHADOW, ROLE_CONTROL: Role.CONTROL}


@lru_cache(maxsize=4096)
def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def headers_of(block: bytes) -> Headers:
    """Names (lower case) and values of a header block; bytes beyond ASCII as Latin-1, so none is lost."""
    if not block:
        return ()
    # Most lines come again and again: the cache makes them one object each, which also compares fast.
    return tuple(map(_header, block.decode("latin-1").split("\r\n")))


def response_of(capture: Capture) -> Response:
    """The response in a capture."""
    return Response(
        status=capture.status,
        headers=headers_of(capture.headers),
        body=capture.body,
        trailers=headers_of(capture.trailers),
        end=_ENDS.get(capture.end, End.NOT_CAPTURED),
        end_detail=capture.end_detail,
        # Zero where nobody measured; and what proxies tell of time need not make sense.
        duration_us=capture.duration_us if capture.duration_us > 0 else None,
    )


def trace_id_of(capture: Capture) -> str:
    """The trace that this copy of a request belongs to, 32 hexadecimal digits; empty where none is known."""
    return capture.traceparent[3:35]


class KeptFinding(msgspec.Struct, frozen=True):
    """A finding of a kept diff, with the values as JSON values."""

    signature: str
    field: str
    path: str
    kind: str
    disposition: str
    rule: str
    primary: object = None
    shadow: object = None


class KeptDiff(msgspec.Struct, frozen=True):
    """One judged pair that is kept as an example. ``at_us``: microseconds since the Unix epoch."""

    id: str
    at_us: int
    service: str
    candidate: str
    endpoint: str
    method: str
    path: str
    request_id: str
    outcome: str
    findings: tuple[KeptFinding, ...]
    primary: bytes
    shadow: bytes
    control: bytes = b""
    gap_us: int | None = None
    ambiguous: bool = False
    retried: bool = False

    def capture(self, role: Role) -> Capture | None:
        """The capture of one role; None where there is none."""
        raw = {Role.PRIMARY: self.primary, Role.SHADOW: self.shadow, Role.CONTROL: self.control}[role]
        return Capture.FromString(raw) if raw else None


class KeptLine(msgspec.Struct, frozen=True, array_like=True):
    """A kept diff as it is listed: what a list is filtered and ordered by. Newer versions add at the end."""

    id: str
    at_us: int
    endpoint: str
    method: str
    path: str
    outcome: str
    request_id: str
    signatures: tuple[str, ...]


encode_diff = msgspec.msgpack.Encoder(enc_hook=str).encode
decode_diff = msgspec.msgpack.Decoder(KeptDiff).decode

_encode_line = msgspec.msgpack.Encoder().encode
_decode_line = msgspec.msgpack.Decoder(KeptLine).decode


def encode_line(diff: KeptDiff, signatures: Sequence[str]) -> bytes:
    """A diff's member of the sorted set ``kept``: its id, by which the set is ordered, and its line."""
    line = KeptLine(
        diff.id,
        diff.at_us,
        diff.endpoint,
        diff.method,
        diff.path,
        diff.outcome,
        diff.request_id,
        tuple(signatures),
    )
    return f"{diff.id}\n".encode() + _encode_line(line)


def decode_line(member: bytes) -> KeptLine:
    """The line of a member of ``kept``."""
    return _decode_line(member.partition(b"\n")[2])


def kept_finding(finding: Finding, signature: str) -> KeptFinding:
    """A finding as it is kept."""
    difference = finding.difference
    return KeptFinding(
        signature=signature,
        field=str(difference.path.generalised()),
        path=str(difference.path),
        kind=difference.kind,
        disposition=finding.disposition,
        rule=finding.rule,
        primary=difference.primary,
        shadow=difference.shadow,
    )
