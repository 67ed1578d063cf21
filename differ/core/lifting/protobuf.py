"""Protobuf messages, by wire fields where no schema is known."""

from __future__ import annotations

from differ.core.values import Chunk, Value


class Schemas:
    """The message types of responses."""


def joint(a: bytes, b: bytes) -> tuple[Value, Value]:
    """Two length-delimited fields, read in the way that both allow."""
    return Chunk(a), Chunk(b)
