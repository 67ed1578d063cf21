"""The body of a response, lifted: encodings undone, family found, the family's lifter called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from google.protobuf.descriptor import Descriptor

from differ.core.lifting import encodings
from differ.core.lifting.forms import lift_form
from differ.core.lifting.grpc import lift_grpc
from differ.core.lifting.jsons import lift_json, lift_json_text
from differ.core.lifting.lifted import MAX_BYTES, TOO_LARGE, Family, Lifted, Unreadable
from differ.core.lifting.markup import lift_html, lift_xml
from differ.core.lifting.media import Media, to_text
from differ.core.lifting.sequences import lift_events, lift_ndjson
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


class Reading(msgspec.Struct, frozen=True):
    """What the headers say about how a body is to be read; ``message`` is its type where it is gRPC."""

    media: Media
    grpc_encoding: str = ""
    message: Descriptor | None = None


def lift(family: Family, body: bytes, reading: Reading) -> Lifted | Unreadable:
    """The value that a decoded body holds, read as ``family``."""
    return _LIFTERS[family](body, reading)


def is_plain_json(family: Family, body: bytes, reading: Reading) -> bool:
    """Whether a body is JSON in UTF-8 without a byte order mark, as nearly all JSON is."""
    return family is Family.JSON and reading.media.charset in _UTF_8 and body[:1] not in _MARKS


_UTF_8: Final = frozenset({"", "utf-8", "utf8"})
_MARKS: Final = frozenset({b"\xef", b"\xff", b"\xfe", b"\0"})


def _json(body: bytes, reading: Reading) -> Lifted | Unreadable:
    # JSON is UTF-8 (RFC 8259); another charset or a byte order mark is honoured all the same.
    if is_plain_json(Family.JSON, body, reading):
        return lift_json(body)
    text = to_text(body, reading.media.charset)
    return Unreadable("not JSON: not text in its charset") if text is None else lift_json_text(text)


def _of_text(lifter: Callable[[str], Lifted | Unreadable]) -> Callable[[bytes, Reading], Lifted | Unreadable]:
    def lift_text(body: bytes, reading: Reading) -> Lifted | Unreadable:
        text = to_text(body, reading.media.charset)
        return Unreadable("not text in its charset") if text is None else lifter(text)

    return lift_text


_LIFTERS: Final[dict[Family, Callable[[bytes, Reading], Lifted | Unreadable]]] = {
    Family.JSON: _json,
    Family.NDJSON: lambda body, reading: lift_ndjson(body),  # noqa: ARG005
    Family.SSE: _of_text(lift_events),
    Family.FORM: _of_text(lift_form),
    Family.XML: lambda body, reading: lift_xml(body, reading.media.charset),
    Family.HTML: _of_text(lift_html),
    Family.TEXT: _of_text(lambda text: Lifted(text.split("\n"), booleans=False)),
    Family.GRPC: lambda body, it: lift_grpc(body, it.media.kind, it.grpc_encoding, it.message),
    Family.OPAQUE: lambda body, reading: Lifted(Opaque.of(body), booleans=False),  # noqa: ARG005
}
