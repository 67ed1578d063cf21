"""What a body is, by its content-type: its family and its charset."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from differ.core.lifting.lifted import Family

_FAMILIES: Final[dict[str, Family]] = {
    "application/json": Family.JSON,
    "text/json": Family.JSON,
    "application/x-ndjson": Family.NDJSON,
    "application/ndjson": Family.NDJSON,
    "application/jsonl": Family.NDJSON,
    "application/x-jsonlines": Family.NDJSON,
    "application/json-seq": Family.NDJSON,
    "application/stream+json": Family.NDJSON,
    "text/event-stream": Family.SSE,
    "application/x-www-form-urlencoded": Family.FORM,
    "application/xml": Family.XML,
    "text/xml": Family.XML,
    "text/html": Family.HTML,
    # XHTML served to browsers is read by the forgiving parser, as it is by them.
    "application/xhtml+xml": Family.HTML,
    "application/javascript": Family.TEXT,
    "application/graphql": Family.TEXT,
    "application/x-yaml": Family.TEXT,
    "application/yaml": Family.TEXT,
    "application/toml": Family.TEXT,
    "application/sql": Family.TEXT,
}

_SUFFIXES: Final = (
    ("+json", Family.JSON),
    ("/json", Family.JSON),
    ("+xml", Family.XML),
    ("+yaml", Family.TEXT),
)

_CHARSETS: Final = frozenset(
    {
        "ascii", "big5", "big5hkscs", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256",
        "cp1257", "cp1258", "cp866", "cp874", "cp932", "cp949", "euc_jp", "euc_kr", "gb18030",
        "gb2312", "gbk",
        "iso2022_jp", "iso8859-1", "iso8859-10", "iso8859-13", "iso8859-14", "iso8859-15", "iso8859-16",
        "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8",
        "iso8859-9",
        "koi8-r", "koi8-u", "mac-roman", "shift_jis", "utf-16", "utf-16-be", "utf-16-le", "utf-32",
        "utf-32-be", "utf-32-le", "utf-8", "utf-8-sig",
    }
)  # fmt: skip
"""Codecs that a body may ask for. Python has others that are no charsets (idna, punycode) and slow."""


@dataclass(frozen=True, slots=True)
class Media:
    """A content-type in parts, lower case; ``kind`` is empty where there was none."""

    kind: str
    parameters: tuple[tuple[str, str], ...] = ()
    charset: str = ""
    """As it was named, lower case; empty where it was not."""
    family: Family | None = None
    """How the body is to be read; None where the content-type does not say."""


def _family(kind: str) -> Family | None:
    if not kind:
        return None
    known = _FAMILIES.get(kind)
    if known is not None:
        return known
    if kind.startswith("application/grpc"):
        return Family.GRPC
    for suffix, family in _SUFFIXES:
        if kind.endswith(suffix):
            return family
    return Family.TEXT if kind.startswith("text/") else Family.OPAQUE


@lru_cache(maxsize=1024)
def parse_media(value: str) -> Media:
    """A content-type header's value; what cannot be parsed is left out."""
    kind, *rest = value.split(";")
    parameters = []
    for part in rest:
        name, equals, text = part.partition("=")
        if equals:
            text = text.strip().strip('"')
            name = name.strip().lower()
            parameters.append((name, text.lower() if name == "charset" else text))
    # Two of one content-type joined by a comma are a fault often seen; the first one counts, as in browsers.
    kind = kind.split(",")[0].strip().lower()
    return Media(kind, tuple(sorted(parameters)), dict(parameters).get("charset", ""), _family(kind))


def to_text(data: bytes, charset: str) -> str | None:
    """``data`` in its charset, a byte order mark before any other; None if it is not text in it."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            charset, data = codec, data[len(mark) :]
            break
    try:
        name = codecs.lookup(charset or "utf-8").name
        return data.decode(name) if name in _CHARSETS else None
    except (LookupError, UnicodeError, ValueError):
        return None


_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
