"""Content encodings undone, with a cap on what comes out: a bomb stops where it passes the cap."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

import brotli
import zstandard

from differ.core.lifting.lifted import MAX_BYTES, TOO_LARGE, Unreadable

MAX_ENCODINGS: Final = 4
"""Encodings stacked on each other. Two are seen in the wild, more are an attempt to cost time."""

_PIECE: Final = 16 * 1024
"""Compressed bytes given to brotli at a time; it stops by itself at the size it is told."""

_ZSTD_PIECE: Final = 256
"""Compressed bytes given to zstd at a time. It cannot stop at a size, and makes 128 KiB of 4 bytes at
worst: 8 MiB of a piece before the cap is looked at."""


class _TooLargeError(Exception):
    pass


class _CutError(Exception):
    pass


def decode(data: bytes, encodings: tuple[str, ...]) -> bytes | Unreadable:
    """``data`` without its content encodings, which are named in the order in which they were applied."""
    if len(encodings) > MAX_ENCODINGS:
        return Unreadable(f"more than {MAX_ENCODINGS} content encodings", bound=True)
    for name in reversed(encodings):
        decoder = _DECODERS.get(name)
        if decoder is None:
            return Unreadable("a content encoding that is not known", bound=True)
        if not data:
            # An empty body says content-encoding too, in answers to HEAD and by careless servers.
            continue
        try:
            data = decoder(data)
        except _TooLargeError:
            return TOO_LARGE
        except _CutError:
            return Unreadable(f"its {name} encoding ends too early", bound=True)
        except (zlib.error, brotli.error, zstandard.ZstdError):
            return Unreadable(f"not {name}, though content-encoding says so", bound=True)
    return TOO_LARGE if len(data) > MAX_BYTES else data


def _inflate(data: bytes, window: int) -> bytes:
    result = b""
    # A gzip body may consist of several members, one behind the other.
    while data:
        decoder = zlib.decompressobj(window)
        result += decoder.decompress(data, MAX_BYTES + 1 - len(result))
        if len(result) > MAX_BYTES:
            raise _TooLargeError
        if not decoder.eof:
            raise _CutError
        data = decoder.unused_data.lstrip(b"\0") if window == _GZIP else b""
    return result


_GZIP: Final = 16 + zlib.MAX_WBITS


def _deflate(data: bytes) -> bytes:
    # RFC 9110 means the zlib format, and some servers send the bare stream: browsers take both.
    try:
        return _inflate(data, zlib.MAX_WBITS)
    except zlib.error:
        return _inflate(data, -zlib.MAX_WBITS)


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))


def _brotli(data: bytes) -> bytes:
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    for piece in _pieces(data):
        part = decoder.process(piece, output_buffer_limit=MAX_BYTES + 1 - size)
        while True:
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                raise _TooLargeError
            if decoder.can_accept_more_data():
                break
            part = decoder.process(b"", output_buffer_limit=MAX_BYTES + 1 - size)
    if not decoder.is_finished():
        raise _CutError
    return b"".join(parts)


def _zstd(data: bytes) -> bytes:
    parts: list[bytes] = []
    size = start = 0
    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_BYTES).decompressobj()
    while start < len(data):
        if decoder.eof:  # one frame may follow another
            decoder = zstandard.ZstdDecompressor(max_window_size=MAX_BYTES).decompressobj()
        part = decoder.decompress(data[start : start + _ZSTD_PIECE])
        start = min(start + _ZSTD_PIECE, len(data)) - len(decoder.unused_data)
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise _TooLargeError
    if not decoder.eof:
        raise _CutError
    return b"".join(parts)


_DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": lambda data: _inflate(data, _GZIP),
    "x-gzip": lambda data: _inflate(data, _GZIP),
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
    "identity": lambda data: data,
}
