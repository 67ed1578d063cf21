"""Bodies that are sequences: a JSON value a line, and server-sent events."""

from __future__ import annotations

import re
from typing import Final

from differ.core.lifting.jsons import lift_json, lift_json_text
from differ.core.lifting.lifted import Lifted, Unreadable
from differ.core.values import Chunk, Value

_RECORD_SEPARATOR: Final = b"\x1e"
"""Stands before each value of ``application/json-seq`` (RFC 7464)."""


def lift_ndjson(data: bytes) -> Lifted | Unreadable:
    """An array with an element for each line that is not blank; a line that is not JSON stays bytes."""
    values: list[Value] = []
    for line in data.replace(_RECORD_SEPARATOR, b"\n").split(b"\n"):
        if not line.strip():
            continue
        lifted = lift_json(line)
        if isinstance(lifted, Unreadable):
            if lifted.bound:
                return lifted
            values.append(Chunk(line))
        else:
            values.append(Chunk(line) if lifted.trailing else lifted.value)
    return Lifted(values)


_LINE_END: Final = re.compile(r"\r\n|\n|\r")

_KEPT_FIELDS: Final = ("event", "id", "retry")


def lift_events(text: str) -> Lifted | Unreadable:
    """An array of events, as the HTML standard parses ``text/event-stream``.

    ``data`` is a JSON value where it is an object or an array, and a string otherwise. Comments, which
    are how servers keep a connection alive, are left out. An event that the stream breaks off is kept.
    """
    events: list[Value] = []
    event: dict[str, Value] = {}
    data: list[str] = []
    for line in [*_LINE_END.split(text), ""]:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name in _KEPT_FIELDS:
                event[name] = value
            continue
        if data:
            content = _content("\n".join(data))
            if isinstance(content, Unreadable):
                return content
            event["data"] = content
        if event:
            events.append(event)
        event, data = {}, []
    return Lifted(events)


def _content(data: str) -> Value | Unreadable:
    if data[:1] not in ("{", "["):
        return data
    lifted = lift_json_text(data)
    if isinstance(lifted, Unreadable):
        return lifted if lifted.bound else data
    return data if lifted.trailing else lifted.value
