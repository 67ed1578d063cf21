"""The body of a response, lifted: encodings undone, family found, the family's lifter called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from differ.core.lifting import encodings
from differ.core.lifting.jsons import lift_json, lift_json_text
from differ.core.lifting.lifted import MAX_BYTES, TOO_LARGE, Family, Lifted, Unreadable
from differ.core.lifting.media import Media, to_text
from differ.core.values import Opaque


def decoded(body: bytes, content_encoding: str) -> bytes | Unreadable:
    """The body without its content encodings."""
    if not content_encoding:
        return body if len(body) <= MAX_BYTES else TOO_LARGE
    names = tuple(name.strip().lower() for name in content_encoding.split(",") if name.strip())
    return encodings.decode(body, names)


def family_of(media: Media, body: bytes) -> Family:
    """How to read a body: by its content-type, by its looks where there is none."""
    family = media.family
    if family is not None:
        return family
    if body.lstrip(b" \t\r\n")[:1] in (b"{", b"[", b'"') and isinstance(lift_json(body), Lifted):
        return Family.JSON
    return Family.TEXT if to_text(body, media.charset) is not None else Family.OPAQUE


def lift(family: Family, body: bytes, media: Media) -> Lifted | Unreadable:
    """The value that a decoded body holds, read as ``family``."""
    return _LIFTERS[family](body, media)


def _json(body: bytes, media: Media) -> Lifted | Unreadable:
    # JSON is UTF-8 (RFC 8259); another charset or a byte order mark is honoured all the same.
    if media.charset in ("", "utf-8", "utf8") and body[:1] not in (b"\xef", b"\xff", b"\xfe", b"\0"):
        return lift_json(body)
    text = to_text(body, media.charset)
    return Unreadable("not JSON: not text in its charset") if text is None else lift_json_text(text)


def _text(body: bytes, media: Media) -> Lifted | Unreadable:
    text = to_text(body, media.charset)
    if text is None:
        return Unreadable("not text in its charset")
    return Lifted(text.split("\n"), booleans=False)


def _opaque(body: bytes, media: Media) -> Lifted | Unreadable:  # noqa: ARG001  (a lifter's signature)
    return Lifted(Opaque.of(body), booleans=False)


_LIFTERS: Final[dict[Family, Callable[[bytes, Media], Lifted | Unreadable]]] = {
    Family.JSON: _json,
    Family.TEXT: _text,
    Family.OPAQUE: _opaque,
}
