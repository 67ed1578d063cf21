"""What a caller of v2 would make of a difference: its class, its risk, and the order of worries."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

from differ.core.model import Kind


class Risk(StrEnum):
    """How much a difference of this sort can hurt a caller."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Worry(IntEnum):
    """What a caller notices, the worst first: reports rank by it."""

    FAILURE = 0
    """A new 5xx, or no response."""
    STATUS = 1
    SHAPE = 2
    """A field of the body is gone, or of another type."""
    VALUE = 3
    HEADER = 4
    ORDER = 5
    EXTRA = 6


STATUS_FIELDS: Final = frozenset({"status", "header.grpc-status", "trailer.grpc-status"})
"""Fields whose signature is the two codes; gRPC codes are 0 to 16 and never look like HTTP's."""


def worry(field: str, kind: str, detail: str = "") -> Worry:
    """What a caller notices of a difference of this kind in this field.

    ``detail`` is for status the two codes (``200→500``), as `status_detail` writes them.
    """
    if field in STATUS_FIELDS:
        return Worry.FAILURE if is_failure(detail) else Worry.STATUS
    if kind == Kind.EXTRA:
        return Worry.EXTRA
    if field.startswith(("header.", "trailer.")):
        return Worry.HEADER
    if kind in (Kind.MISSING, Kind.TYPE):
        return Worry.SHAPE
    return Worry.ORDER if kind == Kind.ORDER else Worry.VALUE


def risk(field: str, kind: str) -> Risk:
    """High: status, removed, retyped, no response. Medium: value, order, header. Low: added."""
    match worry(field, kind):
        case Worry.FAILURE | Worry.STATUS | Worry.SHAPE:
            return Risk.HIGH
        case Worry.VALUE | Worry.HEADER | Worry.ORDER:
            return Risk.MEDIUM
        case Worry.EXTRA:
            return Risk.LOW


NO_RESPONSE: Final = "none"


def status_detail(primary: int, shadow: int) -> str:
    """Two status codes as one text, ``200→500``; 0 is no response, ``200→none``."""
    return f"{primary or NO_RESPONSE}→{shadow or NO_RESPONSE}"


_GRPC_BROKEN: Final = frozenset({"2", "4", "12", "13", "14", "15"})  # UNKNOWN … DATA_LOSS: the server's fault


def is_failure(detail: str) -> bool:
    """Whether a status went from an answer that was no server error to a 5xx, its gRPC like, or none."""
    before, arrow, after = detail.partition("→")
    return bool(arrow) and not _broken(before) and _broken(after)


def is_critical(detail: str) -> bool:
    """Whether a status went from success (2xx, gRPC 0) to a server error or to no response."""
    before = detail.partition("→")[0]
    return (before == "0" or (before.startswith("2") and len(before) == 3)) and is_failure(detail)


def _broken(code: str) -> bool:
    return code == NO_RESPONSE or (code.startswith("5") and len(code) == 3) or code in _GRPC_BROKEN
