"""Content encodings: unpacked with a bound, and packed again for who expects them so."""

from __future__ import annotations

import gzip
import zlib
from typing import Any, Final

import brotli
import zstandard


class CannotUnpack(ValueError):
    """Broken, longer than allowed, or packed in a way that is not known."""


_IDENTITY: Final = (b"", b"identity")


def unpack(body: bytes, encoding: bytes, most: int) -> bytes:
    """What ``encoding`` (a value of content-encoding, one coding) has packed. Raises CannotUnpack."""
    if encoding in _IDENTITY:
        return body
    try:
        match encoding:
            case b"gzip" | b"x-gzip":
                unpacker: Any = zlib.decompressobj(wbits=31)
                plain = bytes(unpacker.decompress(body, most + 1))
                whole = bool(unpacker.eof) and not unpacker.unused_data
            case b"deflate":
                unpacker = zlib.decompressobj()
                plain = bytes(unpacker.decompress(body, most + 1))
                whole = bool(unpacker.eof) and not unpacker.unused_data
            case b"br":
                unpacker = brotli.Decompressor()
                plain = unpacker.process(body, output_buffer_limit=most + 1)
                whole = unpacker.is_finished()
            case b"zstd":
                # The frame may tell a length of its own, which the library would believe.
                whole = zstandard.frame_content_size(body) <= most
                plain = zstandard.ZstdDecompressor().decompress(body, most) if whole else b""
            case _:
                raise CannotUnpack
    except (zlib.error, brotli.error, zstandard.ZstdError):
        raise CannotUnpack from None
    if not whole or len(plain) > most:
        raise CannotUnpack
    return plain


def pack(plain: bytes, encoding: bytes) -> bytes:
    """The same bytes for the same text, at the least effort."""
    match encoding:
        case b"gzip" | b"x-gzip":
            return gzip.compress(plain, 1, mtime=0)
        case b"deflate":
            return zlib.compress(plain, 1)
        case b"br":
            return bytes(brotli.compress(plain, quality=1))
        case b"zstd":
            return zstandard.ZstdCompressor(level=1).compress(plain)
        case _:
            return plain
