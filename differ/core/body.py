"""Comparing the bodies of two complete responses."""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor import Descriptor
from msgspec.structs import replace

from differ.core.findings import MAX_FINDINGS, Collector, Enough
from differ.core.lifting.bodies import Reading, decoded, family_of, is_plain_json, lift
from differ.core.lifting.graphql import has_errors
from differ.core.lifting.jsons import lift_both
from differ.core.lifting.lifted import Family, Lifted, Unreadable
from differ.core.lifting.media import Media, parse_media
from differ.core.model import Headers, Kind, Response
from differ.core.paths import Part, Path
from differ.core.values import Opaque, Value, printable
from differ.core.walk import Equality, Steps, Walk

_NO_MEDIA: Final = Media("")

WITH_ERRORS: Final = "200 with errors"
"""The status of a GraphQL answer that reports errors beside a 200."""

TRAILING: Final = Path(Part.BODY, "", ("#trailing",))
"""What stands behind a JSON value and does not belong to it."""


def compare_bodies(
    primary: Response,
    shadow: Response,
    described: tuple[Described, Described],
    found: Collector,
    message: Descriptor | None,
) -> str:
    """Adds what differs in the bodies; gives the reason why they could not be compared, or nothing.

    ``described`` is what the headers of the two say, ``message`` the type of their gRPC messages.
    """
    (encoding_p, reading_p), (encoding_s, reading_s) = described
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
    if message is not None:
        reading_p, reading_s = replace(reading_p, message=message), replace(reading_s, message=message)
    lifted_p, lifted_s = _lift_both(body_p, reading_p, body_s, reading_s)
    if isinstance(lifted_p, Unreadable) or isinstance(lifted_s, Unreadable):
        reason = _reasons(*(it for it in (lifted_p, lifted_s)), bounds=True)
        if not reason:
            # One side keeps the promise of its content-type and the other does not.
            found.add_in_body((), Kind.TYPE, _bytes(body_p), _bytes(body_s))
        return reason
    if lifted_p.encoded and lifted_p.encoded == lifted_s.encoded:
        return ""
    if primary.status == shadow.status == 200:
        _compare_errors(lifted_p.value, lifted_s.value, found)
    return _compare_lifted(lifted_p, lifted_s, found)


Described = tuple[str, Reading]
"""The content-encoding of a body, and how to read what is in it."""


def describe(headers: Headers) -> Described:
    """What headers say about the body."""
    encoding = grpc_encoding = ""
    media = _NO_MEDIA
    for name, value in headers:
        if name == "content-encoding":
            encoding = f"{encoding},{value}" if encoding else value
        elif name == "content-type" and media is _NO_MEDIA:
            media = parse_media(value)
        elif name == "grpc-encoding":
            grpc_encoding = value
    return encoding, Reading(media, grpc_encoding)


def _reasons(primary: object, shadow: object, *, bounds: bool = False) -> str:
    """Why bodies could not be compared; with ``bounds``, only what is not the body's own fault."""
    sides = (("primary", primary), ("shadow", shadow))
    return "; ".join(
        f"{side} body: {it.reason}"
        for side, it in sides
        if isinstance(it, Unreadable) and (it.bound or not bounds)
    )


def _lift_both(
    body_p: bytes, reading_p: Reading, body_s: bytes, reading_s: Reading
) -> tuple[Lifted | Unreadable, Lifted | Unreadable]:
    """Both bodies in one family: their own, else the first of JSON, text and bytes that both are."""
    family_p, family_s = family_of(reading_p.media, body_p), family_of(reading_s.media, body_s)
    if is_plain_json(family_p, body_p, reading_p) and is_plain_json(family_s, body_s, reading_s):
        lifted_p, lifted_s = lift_both(body_p, body_s)
    else:
        lifted_p, lifted_s = lift(family_p, body_p, reading_p), lift(family_s, body_s, reading_s)
    if _reasons(lifted_p, lifted_s, bounds=True):
        return lifted_p, lifted_s
    if family_p is not family_s:
        # A content-type that lies, or is new: the header says so. What both are is still compared.
        lifted_p, lifted_s = lift(Family.JSON, body_p, reading_p), lift(Family.JSON, body_s, reading_s)
        if isinstance(lifted_p, Unreadable) or isinstance(lifted_s, Unreadable):
            return _OTHER_FAMILY, _OTHER_FAMILY
        return lifted_p, lifted_s
    for family in (Family.TEXT, Family.OPAQUE):
        if isinstance(lifted_p, Unreadable) and isinstance(lifted_s, Unreadable):
            lifted_p, lifted_s = lift(family, body_p, reading_p), lift(family, body_s, reading_s)
    return lifted_p, lifted_s


_OTHER_FAMILY: Final = Unreadable("of another family than the other side's body")


def _compare_errors(primary: Value, shadow: Value, found: Collector) -> None:
    """GraphQL says 200 whatever happened: errors beside it count as a status."""
    failed_p, failed_s = has_errors(primary), has_errors(shadow)
    if failed_p is None or failed_s is None or failed_p == failed_s:
        return
    texts = {True: WITH_ERRORS, False: 200}
    found.add(Path(Part.STATUS), Kind.VALUE, texts[failed_p], texts[failed_s])


def _compare_lifted(primary: Lifted, shadow: Lifted, found: Collector) -> str:
    try:
        walk_both(primary, shadow, found)
    except RecursionError:
        # Only where the caller has used up most of the stack: the bounds on depth leave room otherwise.
        return "nested too deeply for the stack that was left"
    if primary.trailing != shadow.trailing:
        if not shadow.trailing:
            found.add(TRAILING, Kind.MISSING, primary.trailing, None)
        elif not primary.trailing:
            found.add(TRAILING, Kind.EXTRA, None, shadow.trailing)
        else:
            found.add(TRAILING, Kind.VALUE, primary.trailing, shadow.trailing)
    return ""


class _Unconfirmed:
    """Differences that are not yet known to be all."""

    def __init__(self) -> None:
        self.differences: list[tuple[Steps, Kind, Value, Value]] = []

    def add(self, steps: Steps, kind: Kind, primary: Value, shadow: Value) -> None:
        if len(self.differences) > 2 * MAX_FINDINGS:
            raise Enough
        self.differences.append((steps, kind, primary, shadow))


def walk_both(primary: Lifted, shadow: Lifted, found: Collector) -> None:
    """Adds what differs between two lifted values."""
    a, b = primary.value, shadow.value
    if not (primary.booleans or shadow.booleans):
        Walk(found.add_in_body, equality=Equality.PYTHON, ordering=found.ordering).compare(a, b)
        return
    if primary.encoded and shadow.encoded:
        unconfirmed = _Unconfirmed()
        walk = Walk(unconfirmed.add, equality=Equality.TO_BE_CONFIRMED, ordering=found.ordering)
        try:
            walk.compare(a, b)
            confirmed = walk.confirmed()
        except Enough:
            confirmed = False
        if confirmed:
            for difference in unconfirmed.differences:
                found.add_in_body(*difference)
            return
    Walk(found.add_in_body, ordering=found.ordering).compare(a, b)


def _bytes(body: bytes) -> Value:
    text = printable(body)
    return Opaque.of(body) if text is None else text
