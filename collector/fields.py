"""Fields of JSON documents whose values are replaced by tokens. Everything else keeps its exact bytes.

A field is written ``$.customer.email``, ``$.items[*].iban``, ``$.*.name`` or ``$..iban`` (anywhere), names
of other characters as ``$['odd name']``. Where it is an object or array, all of it becomes one token.
``null`` stays, since that something is missing is no secret.

Objects on the way to a field are written anew: a name that stands twice in one keeps its last value only,
so that nothing is hidden from redaction behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation

import msgspec

from collector.tokens import Tokens

_STEP = re.compile(
    r"(?P<deep>\.\.)(?P<deep_name>[^.\[\]*'\s]+)|\.(?P<name>[^.\[\]*'\s]+)|(?P<any>\.\*|\[\*\])|\['(?P<quoted>[^']+)'\]"
)
_PLAIN = re.compile(r"[^\\\"/\x00-\x1f]+")

_objects = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_arrays = msgspec.json.Decoder(list[msgspec.Raw]).decode
_check = msgspec.json.Decoder(msgspec.Raw).decode
_value = msgspec.json.Decoder().decode
_encode = msgspec.json.encode

Places = frozenset[tuple[int, int]]
"""Which fields have been followed how far."""


class NotJson(ValueError):
    """What was to be redacted is not JSON, or nested too deeply to be read."""


class Fields:
    """The fields, and what is done to every other value.

    ``others``, where given, replaces each string or number by other text (the bytes of a JSON value,
    or None to keep it), ``names`` the names of members.
    Raises ValueError naming the first field that cannot be one.
    """

    def __init__(
        self,
        texts: Iterable[str],
        tokens: Tokens,
        others: Callable[[bytes], bytes | None] | None = None,
        names: Callable[[str], str] = str,
    ) -> None:
        self._tokens = tokens
        self._rename = names
        self._others = others
        self._fields = [_steps(text) for text in texts]
        last = [field[-1][1] for field in self._fields]
        plain = all(name is not None and _PLAIN.fullmatch(name) for name in last)
        self._last = [f'"{name}"'.encode() for name in last] if plain else None

    def redact(self, document: bytes) -> bytes:
        """The document with tokens in it. Raises NotJson."""
        try:
            raw = bytes(_check(document))
            if self._others is None and self._absent(raw):
                return document
            return self._walk(raw, frozenset((number, 0) for number in range(len(self._fields))))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise NotJson from None

    def token(self, raw: bytes) -> bytes:
        """A JSON value's token, as a JSON string; numbers by value, objects whatever their order."""
        head = raw[:1]
        if head == b"n":
            return raw
        if head == b'"':
            made = self._tokens.of(_value(raw).encode(), b"s")
        elif head in b"{[":
            made = self._tokens.of(_encode(_value(raw), order="sorted"), b"o")
        else:
            made = self._tokens.of(_number(raw), b"n")
        return b'"' + made + b'"'

    def _absent(self, raw: bytes) -> bool:
        # A name could also be written with escapes; then look closely.
        return self._last is not None and b"\\u" not in raw and not any(one in raw for one in self._last)

    def _walk(self, raw: bytes, places: Places) -> bytes:
        head = raw[:1]
        if head == b"{":
            members = {
                self._rename(name): msgspec.Raw(self._child(bytes(value), places, name))
                for name, value in _objects(raw).items()
            }
            return _encode(members)
        if head == b"[":
            return _encode([msgspec.Raw(self._child(bytes(value), places, None)) for value in _arrays(raw)])
        return self._leaf(raw)

    def _child(self, raw: bytes, places: Places, name: str | None) -> bytes:
        found: set[tuple[int, int]] = set()
        for number, at in places:
            steps = self._fields[number]
            deep, wanted = steps[at]
            if deep:
                found.add((number, at))
            if wanted is None or wanted == name:
                if at + 1 == len(steps):
                    return self.token(raw)
                found.add((number, at + 1))
        if raw[:1] in b"{[":
            return self._walk(raw, frozenset(found)) if found or self._others else raw
        return self._leaf(raw)

    def _leaf(self, raw: bytes) -> bytes:
        if self._others is None or raw[:1] == b"n":
            return raw
        return self._others(raw) or raw


def _steps(text: str) -> list[tuple[bool, str | None]]:
    steps: list[tuple[bool, str | None]] = []
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            break
        name = match["deep_name"] or match["name"] or match["quoted"]
        steps.append((match["deep"] is not None, name))
        at = match.end()
    if text[:1] != "$" or at != len(text) or not steps:
        raise ValueError(f"{text!r} is not a field: write $.customer.email, $.items[*].iban or $..iban")
    return steps


def _number(raw: bytes) -> bytes:
    try:
        return str(Decimal(raw.decode()).normalize()).encode()
    except (InvalidOperation, UnicodeDecodeError):
        return raw
