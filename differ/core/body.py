"""Comparing the bodies of two complete responses."""

from __future__ import annotations

from typing import Final

from differ.core.findings import Collector, Enough
from differ.core.lifting.bodies import decoded, family_of, lift
from differ.core.lifting.lifted import Family, Lifted, Unreadable
from differ.core.lifting.media import Media, parse_media
from differ.core.lifting.protobuf import Schemas
from differ.core.model import Headers, Kind, Response
from differ.core.paths import Part, Path
from differ.core.values import Opaque, Value, printable
from differ.core.walk import Walk

_NO_MEDIA: Final = Media("")

TRAILING: Final = Path(Part.BODY, "", ("#trailing",))
"""What stands behind a JSON value and does not belong to it."""


def compare_bodies(
    primary: Response,
    shadow: Response,
    found: Collector,
    endpoint: str,
    schemas: Schemas | None,  # noqa: ARG001
) -> str:
    """Adds what differs in the bodies; gives the reason why they could not be compared, or nothing."""
    encoding_p, media_p = _described(primary.headers)
    encoding_s, media_s = _described(shadow.headers)
    if primary.body == shadow.body and encoding_p == encoding_s:
        return ""
    body_p, body_s = decoded(primary.body, encoding_p), decoded(shadow.body, encoding_s)
    if isinstance(body_p, Unreadable) or isinstance(body_s, Unreadable):
        return _reasons(body_p, body_s)
    if body_p == body_s:
        return ""
    if not body_p or not body_s:
        # Empty is a body, of no family: all of it is missing, or all of it is extra.
        if body_s:
            found.add_in_body((), Kind.EXTRA, None, _bytes(body_s))
        else:
            found.add_in_body((), Kind.MISSING, _bytes(body_p), None)
        return ""
    try:
        return _compare(body_p, media_p, body_s, media_s, found)
    except Enough:
        return ""
    except RecursionError:
        # Only where the caller has used up most of the stack: MAX_DEPTH leaves room otherwise.
        return "nested too deeply for the stack that was left"


def _described(headers: Headers) -> tuple[str, Media]:
    """The content-encoding and the content-type."""
    encoding = ""
    media = _NO_MEDIA
    for name, value in headers:
        if name == "content-encoding":
            encoding = f"{encoding},{value}" if encoding else value
        elif name == "content-type" and media is _NO_MEDIA:
            media = parse_media(value)
    return encoding, media


def _reasons(primary: object, shadow: object) -> str:
    sides = (("primary", primary), ("shadow", shadow))
    return "; ".join(f"{side} body: {it.reason}" for side, it in sides if isinstance(it, Unreadable))


def _compare(body_p: bytes, media_p: Media, body_s: bytes, media_s: Media, found: Collector) -> str:
    family_p, family_s = family_of(media_p, body_p), family_of(media_s, body_s)
    lifted_p, lifted_s = lift(family_p, body_p, media_p), lift(family_s, body_s, media_s)
    for lifted in (lifted_p, lifted_s):
        if isinstance(lifted, Unreadable) and lifted.bound:
            return _reasons(lifted_p, lifted_s)
    if family_p is not family_s:
        # A content-type that lies, or is new: the header says so. What both are is still compared.
        lifted_p, lifted_s = lift(Family.JSON, body_p, media_p), lift(Family.JSON, body_s, media_s)
        if not isinstance(lifted_p, Lifted) or not isinstance(lifted_s, Lifted):
            found.add_in_body((), Kind.TYPE, _bytes(body_p), _bytes(body_s))
            return ""
    for family in (Family.TEXT, Family.OPAQUE):
        if isinstance(lifted_p, Unreadable) and isinstance(lifted_s, Unreadable):
            lifted_p, lifted_s = lift(family, body_p, media_p), lift(family, body_s, media_s)
    if isinstance(lifted_p, Unreadable) or isinstance(lifted_s, Unreadable):
        # One side keeps the promise of its content-type and the other does not.
        found.add_in_body((), Kind.TYPE, _bytes(body_p), _bytes(body_s))
        return ""
    _compare_lifted(lifted_p, lifted_s, found)
    return ""


def _compare_lifted(primary: Lifted, shadow: Lifted, found: Collector) -> None:
    exact = not (primary.booleans or shadow.booleans)
    Walk(found.add_in_body, exact=exact, ordering=found.ordering).compare(primary.value, shadow.value)
    if primary.trailing != shadow.trailing:
        if not shadow.trailing:
            found.add(TRAILING, Kind.MISSING, primary.trailing, None)
        elif not primary.trailing:
            found.add(TRAILING, Kind.EXTRA, None, shadow.trailing)
        else:
            found.add(TRAILING, Kind.VALUE, primary.trailing, shadow.trailing)


def _bytes(body: bytes) -> Value:
    text = printable(body)
    return Opaque.of(body) if text is None else text
