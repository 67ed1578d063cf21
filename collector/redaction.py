"""What never leaves the collector: credentials always, and of the rest what the settings say.

============= =====================================================================================
mode          what is kept
============= =====================================================================================
``full``      everything but the headers of ALWAYS and those named
``redacted``  as ``full``, with tokens in place of the fields and patterns that are named
``hash-only`` status, names of headers and fields, sizes and times; a token in place of every value
============= =====================================================================================

Header blocks are lines ``name: value`` joined by CR LF, as they came off the wire. The name of a redacted
header stays, so that its coming and going can still be compared; of a cookie, name and attributes.

Where values in bodies are to be redacted, a body that cannot be read (truncated, broken, packed in an
unknown way, not JSON while fields are named) is replaced as a whole by its token: equal bodies stay equal,
and nothing of them is kept. Packed bodies are unpacked, redacted, and packed again.

Of requests nothing is kept but the line, unless headers are named or bodies asked for; what is kept then is
redacted in the same way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from collector.fields import Fields, NotJson
from collector.packing import CannotUnpack, pack, unpack
from collector.suspects import PATTERNS, luhn
from collector.tokens import Tokens

ALWAYS = frozenset(
    {"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key", "x-amz-security-token"}
)
"""Headers that are redacted whatever the settings say."""

MARK = b"<redacted>"

Mode = Literal["redacted", "hash-only", "full"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token of RFC 9110 5.6.2
_TYPE = re.compile(rb"^content-type: *([^;\r\n]*)", re.IGNORECASE | re.MULTILINE)
_ENCODING = re.compile(rb"^content-encoding: *([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_VALUE = re.compile(rb"^([^:\r\n]+): *([^\r\n]*)", re.MULTILINE)
_QUERY = re.compile(rb"([?&][^=&#]*)=([^&#]*)")
_LINES: Final = (b"application/x-ndjson", b"application/ndjson", b"application/jsonl")

# Needed to read and compare a response at all, and nobody's secret.
_SHOWN: Final = frozenset(
    {
        b"accept-ranges", b"age", b"allow", b"cache-control", b"connection", b"content-encoding",
        b"content-language", b"content-length", b"content-type", b"date", b"expires", b"grpc-encoding",
        b"grpc-status", b"server", b"transfer-encoding", b"vary",
    }
)  # fmt: skip


class Redaction:
    """Redacts headers, paths and bodies.

    ``further`` header names come on top of ALWAYS. ``fields`` are as in ``collector.fields``; ``patterns``
    are ``email``, ``card``, ``jwt`` or regular expressions, whose matches are replaced wherever text is.
    ``request_headers`` are those of requests that are kept, ``request_bodies`` says whether bodies are.
    Raises ValueError naming the first of them that cannot be one.
    """

    def __init__(
        self,
        further: Iterable[str] = (),
        *,
        mode: Mode = "redacted",
        key: bytes = b"",
        fields: Iterable[str] = (),
        patterns: Iterable[str] = (),
        most_unpacked: int = 2 * 1024 * 1024,
        request_headers: Iterable[str] = (),
        request_bodies: bool = False,
    ) -> None:
        fields, patterns = list(fields), list(patterns)
        self.request_bodies = request_bodies
        # Without these two a body cannot be read.
        needed = ["content-type", "content-encoding"] if request_bodies else []
        self._kept_of_request = _lines_of([*request_headers, *needed])
        self.keeps_requests = request_bodies or self._kept_of_request is not None
        if mode == "full" and (fields or patterns):
            raise ValueError(
                "in mode full no fields and no patterns are redacted: name none, or use redacted"
            )
        self.withheld: Counter[str] = Counter()
        self._headers(further)
        self._hash_only = mode == "hash-only"
        self._pattern = _one_of(patterns)
        self._has_fields = bool(fields)
        self._most_unpacked = most_unpacked
        self.reads_values = self._hash_only or self._has_fields or self._pattern is not None
        if self.reads_values:
            self._tokens = Tokens(key)
            others: Callable[[bytes], bytes | None] | None = None
            if self._hash_only:
                others = self._token_of_leaf
            elif self._pattern is not None:
                others = self._without_patterns
            self._fields = Fields(fields, self._tokens, others, self._without_patterns_in_name)

    def _headers(self, further: Iterable[str]) -> None:
        names = ALWAYS | _header_names(further)
        alternatives = "|".join(re.escape(name) for name in sorted(names - {"set-cookie"}))
        self._plain = re.compile(rf"^({alternatives}):[^\r\n]*".encode(), re.IGNORECASE | re.MULTILINE)
        # Name and attributes of a cookie are kept, its value is not.
        self._cookie = re.compile(rb"^(set-cookie: *[^=;\r\n]*)=[^;\r\n]*", re.IGNORECASE | re.MULTILINE)
        self._any = re.compile(rf"^(?:{alternatives}|set-cookie):".encode(), re.IGNORECASE | re.MULTILINE)

    def headers(self, block: bytes) -> bytes:
        """The block without secrets; the same object where it has none."""
        if self._any.search(block) is not None:
            block = self._plain.sub(rb"\1: " + MARK, block)
            block = self._cookie.sub(rb"\1=" + MARK, block)
        if self._hash_only:
            return _VALUE.sub(self._token_of_header, block)
        return block if self._pattern is None else self._sub(block)

    def request_headers(self, block: bytes) -> bytes:
        """Of a request's headers those that are to be kept, without secrets."""
        if self._kept_of_request is None:
            return b""
        return self.headers(b"\r\n".join(self._kept_of_request.findall(block)))

    def path(self, path: bytes) -> bytes:
        """The path: its query without values where those are not kept."""
        if self._hash_only:
            return _QUERY.sub(lambda match: match[1] + b"=" + self._tokens.of(match[2], b"q"), path)
        return path if self._pattern is None else self._sub(path)

    def body(self, body: bytes, head: bytes) -> bytes:
        """The body, of which ``head`` is the header block."""
        if not body or not self.reads_values:
            return body
        encoding = match[1].strip().lower() if (match := _ENCODING.search(head)) else b""
        content_type = match[1].strip().lower() if (match := _TYPE.search(head)) else b""
        try:
            plain = unpack(body, encoding, self._most_unpacked)
            redacted = self._body(plain, content_type)
            return body if redacted is plain else pack(redacted, encoding)
        except CannotUnpack:
            self.withheld["packed"] += 1
        except NotJson:
            self.withheld["not json"] += 1
        return self._tokens.of(body, b"b")

    def _body(self, body: bytes, content_type: bytes) -> bytes:
        if not self._hash_only and not self._has_fields and not self._hit(body):
            return body
        if content_type in _LINES:
            return b"\n".join(
                [self._fields.redact(line) if line.strip() else line for line in body.split(b"\n")]
            )
        try:
            return self._fields.redact(body)
        except NotJson:
            text = content_type.startswith(b"text/") or content_type.endswith((b"xml", b"urlencoded"))
            if self._hash_only or self._has_fields or not text:
                raise
            return self._sub(body)

    def _hit(self, text: bytes) -> bool:
        # An escape could hide what is looked for.
        return self._pattern is not None and (b"\\" in text or self._pattern.search(text) is not None)

    def _sub(self, text: bytes) -> bytes:
        return text if self._pattern is None else self._pattern.sub(self._token_of_match, text)

    def _token_of_match(self, match: re.Match[bytes]) -> bytes:
        found = match[0]
        if match.lastgroup == "card" and not luhn(found):
            return found
        return self._tokens.of(found, b"p")

    def _token_of_header(self, match: re.Match[bytes]) -> bytes:
        name, value = match[1], match[2]
        if name.lower() in _SHOWN or MARK in value:
            return match[0]
        return name + b": " + self._tokens.of(value, b"h")

    def _token_of_leaf(self, raw: bytes) -> bytes:
        return self._fields.token(raw)

    def _without_patterns(self, raw: bytes) -> bytes | None:
        if raw[:1] != b'"':
            # A number cannot have a token in the middle of it.
            return None if self._sub(raw) == raw else self._fields.token(raw)
        text: bytes = msgspec.json.decode(raw, type=str).encode()
        redacted = self._sub(text)
        return None if redacted == text else msgspec.json.encode(redacted.decode("utf-8", "replace"))

    def _without_patterns_in_name(self, name: str) -> str:
        return name if self._pattern is None else self._sub(name.encode()).decode("utf-8", "replace")


def _header_names(names: Iterable[str]) -> set[str]:
    found = set()
    for name in names:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be the name of a header")
        found.add(name.lower())
    return found


def _lines_of(names: Iterable[str]) -> re.Pattern[bytes] | None:
    alternatives = "|".join(re.escape(name) for name in sorted(_header_names(names)))
    if not alternatives:
        return None
    return re.compile(rf"^(?:{alternatives}):[^\r\n]*".encode(), re.IGNORECASE | re.MULTILINE)


def _one_of(patterns: list[str]) -> re.Pattern[bytes] | None:
    if not patterns:
        return None
    parts = []
    for number, pattern in enumerate(patterns, 1):
        known = PATTERNS.get(pattern)
        if known is None:
            try:
                re.compile(pattern.encode())
            except re.error as error:
                raise ValueError(f"pattern {number} to redact is wrong: {error}") from None
        name = pattern.encode() if known else b"p%d" % number
        parts.append(b"(?P<" + name + b">" + (known or pattern.encode()) + b")")
    return re.compile(b"|".join(parts))
