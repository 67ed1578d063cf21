"""Header blocks (RFC 7541), and what of them is well-formed (RFC 9113 §8.2, §8.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from hpack import Decoder, HPACKError

from collector.http2.frames import COMPRESSION_ERROR, ConnectionFault

Headers = Mapping[bytes, bytes]

LARGEST_LIST: Final = 64 * 1024
"""Bytes of a block's fields, as SETTINGS_MAX_HEADER_LIST_SIZE counts them."""

MOST_REMEMBERED: Final = 16
LONGEST_REMEMBERED: Final = 4096

_REQUESTED: Final = {b":method", b":scheme", b":path"}
_PSEUDO: Final = _REQUESTED | {b":authority"}
_OF_CONNECTIONS: Final = {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
_NAME: Final = re.compile(rb"[!-9;-@\[-~]+")
_VALUE: Final = re.compile(rb"(?:[^\0\r\n\t ](?:[^\0\r\n]*[^\0\r\n\t ])?)?")


@dataclass(frozen=True, slots=True)
class Block:
    """The fields of one block; of those named twice, the last."""

    fields: Headers
    pseudo: bool
    """Whether it names any pseudo-header: what comes on a stream at its end must not."""

    well_formed: bool
    """As a request where it names pseudo-headers, else as trailers."""

    length: int | None
    """Bytes of body that a request announces."""


class Blocks:
    """Header blocks of one connection, decoded.

    A proxy sends the same block with each of its streams. It says the same again for as long as no block
    has changed the decoder's table in between, so that it is decoded once.
    """

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=LARGEST_LIST)
        self._known: dict[bytes, Block] = {}

    def decoded(self, block: bytes) -> Block:
        """What a block says. Raises ConnectionFault."""
        found = self._known.get(block)
        if found is not None:
            return found
        newest = self._newest()
        try:
            fields = self._decoder.decode(block, raw=True)
        except HPACKError:
            raise ConnectionFault(COMPRESSION_ERROR) from None
        found = _judged((bytes(name), bytes(value)) for name, value in fields)
        resized = bool(block) and block[0] & 0xE0 == 0x20  # RFC 7541 §6.3
        if resized or self._newest() is not newest or len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        elif len(block) <= LONGEST_REMEMBERED:
            self._known[block] = found
        return found

    def _newest(self) -> object:
        """The table's newest entry: another one, or none, after each block that has changed the table."""
        table = self._decoder.header_table.dynamic_entries
        return table[0] if table else None


def _judged(fields: Iterable[tuple[bytes, bytes]]) -> Block:
    found: dict[bytes, bytes] = {}
    pseudo, well_formed, regular = False, True, False
    for name, value in fields:
        if name[:1] == b":":
            pseudo = True
            well_formed &= not regular and name in _PSEUDO and name not in found
        else:
            regular = True
            well_formed &= (
                _NAME.fullmatch(name) is not None
                and name not in _OF_CONNECTIONS
                and (name != b"te" or value == b"trailers")
                and (name != b"content-length" or (value.isdigit() and found.get(name, value) == value))
            )
        well_formed &= _VALUE.fullmatch(value) is not None
        found[name] = value
    if pseudo:
        well_formed &= found.keys() >= _REQUESTED and bool(found[b":path"])
    length = found.get(b"content-length")
    return Block(found, pseudo, well_formed, int(length) if length is not None and well_formed else None)
