"""JSON documents, one a line → captures. Pure; the format of ``POST /v1/captures``.

=================== ==================================================================== =========
field               meaning                                                              default
=================== ==================================================================== =========
role                ``primary``, ``shadow`` or ``control``                               required
service             the mirrored service: letters, digits, ``.``, ``_``, ``/``, ``-``    required
version             the build that answered                                              not known
pair_id             new for every mirrored request, equal on all its sides               none
request_id          x-request-id as the service received it; one of the two ids is       none
                    required
method, path        as the service received them; the path with its query                required
authority           the Host of the request                                              none
request_body        the request's body or its head, where it is UTF-8; kept only where   empty
                    the collector was told to, and else only told apart by
request_body_base64 the same, whatever it is; not beside ``request_body``                empty
request_body_size   its whole length in bytes, where less of it is here                  as here
request_body_hash   in place of it, any text that is equal for equal request bodies; as  none
                    mirrordiff.request_body makes it, where the other side comes another
                    way
request_headers     as ``headers``; kept are those that the collector was told to keep   none
traceparent         the request's trace context as the service received it (W3C)         none
status              HTTP status; 0, as a default, where there was no answer              0
headers, trailers   ``[[name, value], …]`` in the order received                         none
body                the body as received, where it is UTF-8                              empty
body_base64         the body as received, whatever it is; not beside ``body``            empty
body_size           its whole length in bytes, where less of it is here                  as here
truncated           the body here is only the head of it                                 false
end                 ``complete``, ``truncated``, ``no_response``, ``upgrade``,           see below
                    ``aborted`` or ``not_captured``
started_at          RFC 3339, when the request arrived; or ``started_us``, microseconds  not known
                    since the Unix epoch
duration_ms         from then to the last byte of the response                           0
attempt             which attempt of the request this was, from 1                        not known
id                  the sender's own name for this document: sent again, it counts once  none
=================== ==================================================================== =========

Without ``end``: no status is ``no_response``, 101 is ``upgrade``, everything else is ``complete`` or,
where it says so or the body is longer than the cap, ``truncated``. Unknown fields are errors. Errors
say what is wrong in words of this page and never repeat anything of the document.
"""

from __future__ import annotations

import binascii
import re
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Final, Literal

import msgspec
from pybase64 import b64decode

from collector.captured import MOST_ATTEMPTS, ROLES, Asked, Keyed, Recorder, Source, Unusable, is_service
from mirrordiff.v1.capture_pb2 import (
    END_ABORTED,
    END_COMPLETE,
    END_NO_RESPONSE,
    END_NOT_CAPTURED,
    END_TRUNCATED,
    END_UPGRADE,
    End,
)

_Short = Annotated[str, msgspec.Meta(max_length=256)]
_Micros = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
_ENDS: Final[dict[str, End.ValueType]] = {
    "complete": END_COMPLETE,
    "truncated": END_TRUNCATED,
    "no_response": END_NO_RESPONSE,
    "upgrade": END_UPGRADE,
    "aborted": END_ABORTED,
    "not_captured": END_NOT_CAPTURED,
}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token of RFC 9110 5.6.2
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")


class Document(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One line; see the table above."""

    role: Literal["primary", "shadow", "control"]
    service: str
    method: str
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)]
    version: _Short = ""
    pair_id: _Short = ""
    request_id: _Short = ""
    authority: _Short = ""
    request_body: str | None = None
    request_body_base64: str | None = None
    request_body_size: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] = 0
    traceparent: _Short = ""
    request_body_hash: _Short = ""
    request_headers: list[tuple[str, str]] = []
    status: Annotated[int, msgspec.Meta(ge=0, le=999)] = 0
    headers: list[tuple[str, str]] = []
    trailers: list[tuple[str, str]] = []
    body: str | None = None
    body_base64: str | None = None
    body_size: Annotated[int, msgspec.Meta(ge=0, lt=2**53)] = 0
    truncated: bool = False
    end: Literal["complete", "truncated", "no_response", "upgrade", "aborted", "not_captured"] | None = None
    started_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    started_us: _Micros | None = None
    duration_ms: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0
    attempt: Annotated[int, msgspec.Meta(ge=0, le=MOST_ATTEMPTS)] = 0
    id: _Short = ""


_decode = msgspec.json.Decoder(Document).decode
_FIELDS: Final = frozenset(Document.__struct_fields__)
_PLACE = re.compile(r"at `\$\.([a-z0-9_]+)")
_MISSING = re.compile(r"missing required field `([a-z0-9_]+)`")


def parse(line: bytes) -> Document:
    """The document on a line. Raises Unusable whose reason says what is wrong, for the sender to read."""
    try:
        document = _decode(line)
    except msgspec.ValidationError as error:
        raise Unusable(_complaint(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unusable("is not JSON") from None
    except RecursionError:
        raise Unusable("is nested too deeply") from None
    if not is_service(document.service):
        raise Unusable("service: may have letters, digits and ._/- and up to 128 characters")
    if not _METHOD.fullmatch(document.method):
        raise Unusable("method: is not a method of HTTP")
    if document.body is not None and document.body_base64 is not None:
        raise Unusable("body and body_base64 exclude each other")
    if document.request_body is not None and document.request_body_base64 is not None:
        raise Unusable("request_body and request_body_base64 exclude each other")
    if document.started_at is not None and document.started_us is not None:
        raise Unusable("started_at and started_us exclude each other")
    return document


def source_of(document: Document) -> Source:
    """Whose response it is."""
    return Source(ROLES[document.role], document.service, document.version)


def keyed(document: Document, recorder: Recorder, capture_id: bytes) -> Keyed:
    """The capture. ``capture_id`` serves where the sender has given none. Raises Unusable as ``parse``."""
    body = _body(document.body, document.body_base64, "body_base64")
    asked = _body(document.request_body, document.request_body_base64, "request_body_base64")
    end, detail = _ending(document)
    if document.id:
        named = f"{document.role}\n{document.service}\n{document.id}".encode()
        capture_id = blake2b(named, digest_size=12).digest()
    started_us = document.started_us or 0
    if document.started_at is not None:
        started_us = max(0, round(document.started_at.timestamp() * 1_000_000))
    head, trailers = _lines(document.headers, "headers"), _lines(document.trailers, "trailers")
    try:
        return recorder.record(
            capture_id,
            pair_id=document.pair_id.encode(),
            request_id=document.request_id.encode(),
            method=document.method,
            path=document.path.encode(),
            authority=document.authority.encode(),
            status=document.status,
            head=head,
            body=body,
            trailers=trailers,
            end=end,
            detail=detail,
            started_us=started_us,
            duration_us=round(document.duration_ms * 1000),
            body_size=document.body_size,
            attempt=document.attempt,
            asked=Asked(
                _lines(document.request_headers, "request_headers"),
                asked,
                max(len(asked), document.request_body_size if asked else 0),
            ),
            asked_hash=document.request_body_hash,
            traceparent=document.traceparent.encode(),
        )
    except Unusable:
        raise Unusable("pair_id or request_id: one of them is required") from None


def _ending(document: Document) -> tuple[End.ValueType, str]:
    if document.end is not None:
        end = _ENDS[document.end]
    elif not document.status:
        end = END_NO_RESPONSE
    else:
        end = END_UPGRADE if document.status == 101 else END_COMPLETE
    if end == END_COMPLETE and not document.status:
        raise Unusable("status: a complete response has one")
    if end == END_COMPLETE and document.truncated:
        end = END_TRUNCATED
    return end, "cut by the sender" if end == END_TRUNCATED else ""


def _body(text: str | None, encoded: str | None, field: str) -> bytes:
    if encoded is not None:
        try:
            return b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise Unusable(f"{field}: is not base64") from None
    return (text or "").encode()


def _lines(headers: list[tuple[str, str]], field: str) -> bytes:
    lines = []
    for name, value in headers:
        if not _NAME.fullmatch(name):
            raise Unusable(f"{field}: has a name that cannot be one")
        if "\r" in value or "\n" in value or "\0" in value:
            raise Unusable(f"{field}: has a value with a line break in it")
        lines.append(f"{name.lower()}: {value}")
    return "\r\n".join(lines).encode()


def _complaint(message: str) -> str:
    """What msgspec found, without what it found it in."""
    missing = _MISSING.search(message)
    if missing and missing[1] in _FIELDS:
        return f"{missing[1]}: is required"
    if "unknown field" in message:
        return "has a field that no document has"
    place = _PLACE.search(message)
    if place and place[1] in _FIELDS:
        return f"{place[1]}: is not what it should be"
    return "is not a document"
