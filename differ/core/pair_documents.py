"""Responses, pairs and outcomes as JSON documents, both directions side by side.

A response is ``{"status": 200, "headers": [["content-type", "application/json"]], "body": "…"}``;
``body_base64`` stands in for ``body``, and ``trailers``, ``duration_ms``, ``truncated`` and ``end``
may be left out. A status of null means that there was no response. A pair is
``{"name", "primary", "shadow"}``, and may name its ``service`` and ``endpoint``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from typing import Final

import msgspec

from differ.core.compare import Where
from differ.core.model import End, Headers, Outcome, Response
from differ.core.preview import Example


class DocumentError(ValueError):
    """A document is not what it is to be; the message says what and where, and quotes no content."""


_KEYS: Final = (
    "status", "headers", "body", "body_base64", "trailers", "duration_ms", "truncated", "end",
)  # fmt: skip
_PAIR_KEYS: Final = ("name", "primary", "shadow", "service", "endpoint")

_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(document: object) -> bytes:
    """A document as JSON on one line; numbers keep every digit."""
    return _encoder.encode(document)


def parse(data: bytes, what: str) -> object:
    """The JSON document in ``data``. Raises DocumentError; ``what`` names it there."""
    try:
        document: object = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        # The parser's words give a position, and of the content a byte at most.
        reason = "nested too deeply" if isinstance(error, RecursionError) else _reason(error)
        raise DocumentError(f"{what} is not JSON: {reason}") from None
    return document


def _reason(error: ValueError) -> str:
    return "not UTF-8" if isinstance(error, UnicodeError) else str(error).removeprefix("JSON is malformed: ")


def response_from(document: object, what: str = "response") -> Response:
    """The response that a document describes. Raises DocumentError."""
    members = _object(document, what, _KEYS)
    if "status" not in members:
        raise DocumentError(f"{what}.status is missing: write null if there was no response")
    status = members["status"]
    end = _end(members, what)
    if status is None:
        return Response(0, end=End.NO_RESPONSE)
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise DocumentError(f"{what}.status is to be a number from 100 to 599, or null")
    return Response(
        status,
        _lines(members.get("headers"), f"{what}.headers"),
        _body(members, what),
        _lines(members.get("trailers"), f"{what}.trailers"),
        end,
        duration_us=_duration(members.get("duration_ms"), what),
    )


def _object(document: object, what: str, keys: Collection[str]) -> dict[str, object]:
    if not isinstance(document, dict):
        raise DocumentError(f"{what} is to be an object with the keys {', '.join(keys)}")
    unknown = sorted(str(key) for key in document if key not in keys)
    if unknown:
        raise DocumentError(f"{what} has unknown keys: {', '.join(unknown[:5])}; known are {', '.join(keys)}")
    return {str(key): value for key, value in document.items()}


def _end(members: dict[str, object], what: str) -> End:
    truncated = members.get("truncated", False)
    if not isinstance(truncated, bool):
        raise DocumentError(f"{what}.truncated is to be true or false")
    end = members.get("end")
    if end is None:
        return End.TRUNCATED if truncated else End.COMPLETE
    if not isinstance(end, str) or end not in list(End):
        raise DocumentError(f"{what}.end is to be one of {', '.join(End)}")
    return End(end)


def _body(members: dict[str, object], what: str) -> bytes:
    body, encoded = members.get("body"), members.get("body_base64")
    if body is not None and encoded is not None:
        raise DocumentError(f"{what} has both body and body_base64")
    if encoded is not None:
        try:
            return base64.b64decode(encoded if isinstance(encoded, str) else "?", validate=True)
        except (binascii.Error, ValueError):
            raise DocumentError(f"{what}.body_base64 is to be a text in base64") from None
    if body is None:
        return b""
    if not isinstance(body, str):
        raise DocumentError(f"{what}.body is to be a text; a JSON body is the text of the JSON")
    return body.encode()


def _lines(value: object, what: str) -> Headers:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise DocumentError(f"{what} is to be a list of pairs [name, value]")
    lines: list[tuple[str, str]] = []
    for number, line in enumerate(value):
        match line:
            case [str() as name, str() as text]:
                lines.append((name.lower(), text))
            case _:
                raise DocumentError(f"{what}[{number}] is to be a pair of texts [name, value]")
    return tuple(lines)


def _duration(value: object, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise DocumentError(f"{what}.duration_ms is to be a number of milliseconds, at least 0")
    return round(value * 1000)


def response_document(response: Response) -> dict[str, object]:
    """The document of a response: ``response_from`` gives the same response, but for ``end_detail``."""
    if response.end is End.NO_RESPONSE:
        return {"status": None}
    document: dict[str, object] = {
        "status": response.status,
        "headers": [list(line) for line in response.headers],
    }
    try:
        document["body"] = response.body.decode()
    except UnicodeDecodeError:
        document["body_base64"] = base64.b64encode(response.body).decode()
    if response.trailers:
        document["trailers"] = [list(line) for line in response.trailers]
    if response.duration_us is not None:
        document["duration_ms"] = response.duration_us / 1000
    if response.end is End.TRUNCATED:
        document["truncated"] = True
    elif response.end is not End.COMPLETE:
        document["end"] = str(response.end)
    return document


def pair_from(document: object, what: str, where: Where) -> Example:
    """The pair that a document describes; ``where`` is for what it does not say. Raises DocumentError."""
    members = _object(document, what, _PAIR_KEYS)
    texts = {"name": what, "service": where.service, "endpoint": where.endpoint}
    for key, usual in texts.items():
        text = members.get(key, usual)
        if not isinstance(text, str):
            raise DocumentError(f"{what}.{key} is to be a text")
        texts[key] = text
    for side in ("primary", "shadow"):
        if side not in members:
            raise DocumentError(f"{what}.{side} is missing")
    return Example(
        response_from(members["primary"], f"{what}.primary"),
        response_from(members["shadow"], f"{what}.shadow"),
        Where(texts["service"], texts["endpoint"]),
        texts["name"],
    )


def result_document(name: str, outcome: Outcome) -> dict[str, object]:
    """What comparing a pair gave. What a side does not have is null; ``kind`` tells it from a null value."""
    return {
        "name": name,
        "outcome": str(outcome.result),
        "reason": outcome.reason,
        "differences": [
            {
                "field": str(finding.difference.path.generalised()),
                "path": str(finding.difference.path),
                "kind": str(finding.difference.kind),
                "primary": finding.difference.primary,
                "shadow": finding.difference.shadow,
                "disposition": str(finding.disposition),
                "rule": finding.rule or None,
            }
            for finding in outcome.findings
        ],
    }
