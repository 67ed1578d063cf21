"""One kept diff as it is shown: what was asked, and both answers line by line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from differ.core.lifting.bodies import decoded
from differ.core.lifting.media import parse_media, to_text
from differ.core.model import End, Headers, Response, Role
from differ.report.rows import Cell, Found, Mark, Row, Shown
from differ.report.sidebyside import side_by_side
from differ.report.visible import visible
from differ.store.records import KeptDiff, response_of, trace_id_of
from mirrordiff.v1.capture_pb2 import Capture

MAX_TEXT: Final = 1024 * 1024
"""Characters of a body that are laid out; of more, only the head is shown and said to be."""

_HEX_SHOWN: Final = 1024


@dataclass(frozen=True, slots=True)
class Side:
    """The heading of one side: ``v1 4.18.0 · 200 · 41 ms``, and the trace of its request."""

    role: str
    version: str
    status: str
    duration: str
    note: str
    trace_id: str = ""
    trace_href: str = ""


@dataclass(frozen=True, slots=True)
class ExampleView:
    """An example, laid out. ``number`` of ``count`` is its place among those of its signature."""

    id: str
    request: str
    request_id: str
    time: str
    gap: str
    flags: tuple[str, ...]
    left: Side
    right: Side
    headers: tuple[Row, ...]
    same_headers: tuple[Row, ...]
    body: Shown
    curl: str
    number: int = 1
    count: int = 1
    previous: str = ""
    following: str = ""
    link: str = ""
    raw: str = ""

    def placed(
        self, *, number: int, count: int, previous: str, following: str, link: str, raw: str
    ) -> ExampleView:
        """The same example, with its place among others and the links around it."""
        return replace(
            self, number=number, count=count, previous=previous, following=following, link=link, raw=raw
        )


def layout(diff: KeptDiff, other: Role = Role.SHADOW, *, trace_url: str = "") -> ExampleView | None:
    """A diff as it is shown; None where one of the two answers was not kept.

    ``trace_url``: where a trace is looked at, with ``{trace_id}`` in place of its id.
    """
    before, after = diff.capture(Role.PRIMARY), diff.capture(other)
    if before is None or after is None:
        return None
    found = {each.path: Found(each.disposition, each.kind, each.rule) for each in diff.findings}
    left, right = response_of(before), response_of(after)
    headers = list(_headers(left.headers, right.headers, "header", found))
    headers += _headers(left.trailers, right.trailers, "trailer", found)
    if left.status != right.status or "status" in found:
        headers.insert(0, _status(left, right, found))
    at = datetime.fromtimestamp(diff.at_us / 1_000_000, UTC)
    return ExampleView(
        id=diff.id,
        request=f"{diff.method} {diff.path}",
        request_id=diff.request_id,
        time=f"{at:%d %b %H:%M:%S} UTC",
        gap="" if diff.gap_us is None else milliseconds(abs(diff.gap_us)),
        flags=tuple(
            word
            for word, set_ in (
                ("matched by order: this request came more than once", diff.ambiguous),
                ("the primary was retried; its last answer is shown", diff.retried),
            )
            if set_
        ),
        left=_side("primary", before, left, trace_url),
        right=_side(other.value, after, right, trace_url),
        headers=tuple(row for row in headers if row.mark is not Mark.SAME),
        same_headers=tuple(row for row in headers if row.mark is Mark.SAME),
        body=side_by_side(_body(left), _body(right), found),
        curl=_curl(before),
    )


_SAMPLE: Final = 28


def sample(diff: KeptDiff, signature: str) -> str:
    """One difference that shows a signature, ``19.9 → "19.90"``; empty where there is none to tell."""
    for each in diff.findings:
        if each.signature == signature:
            left, right = (_short(value) for value in (each.primary, each.shadow))
            match each.kind:
                case "missing":
                    return left
                case "extra":
                    return right
                case "order":
                    return ""
                case _:
                    return f"{left} → {right}"
    return ""


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SAMPLE else f"{text[:_SAMPLE]}…"


def milliseconds(duration_us: int) -> str:
    """A duration for people."""
    if duration_us >= 10_000_000:
        return f"{duration_us / 1_000_000:.0f} s"
    if duration_us >= 1_000_000:
        return f"{duration_us / 1_000_000:.1f} s"
    return f"{duration_us / 1000:.0f} ms" if duration_us >= 10_000 else f"{duration_us / 1000:.1f} ms"


_ENDS: Final[dict[End, str]] = {
    End.COMPLETE: "",
    End.TRUNCATED: "cut at the cap: only the head of the body was kept",
    End.NO_RESPONSE: "gave no response",
    End.UPGRADE: "upgraded the connection",
    End.ABORTED: "was cut before its end",
    End.NOT_CAPTURED: "body and headers were not captured",
}


def _side(role: str, capture: Capture, response: Response, trace_url: str) -> Side:
    trace = trace_id_of(capture)
    detail = f" ({response.end_detail})" if response.end_detail and response.end is not End.COMPLETE else ""
    return Side(
        role=role,
        version=capture.version,
        status=str(response.status) if response.status else "no response",
        duration="" if response.duration_us is None else milliseconds(response.duration_us),
        note=f"{_ENDS[response.end]}{detail}" if response.end is not End.COMPLETE else "",
        trace_id=trace,
        trace_href=trace_url.replace("{trace_id}", trace) if trace else "",
    )


def _status(left: Response, right: Response, found: Mapping[str, Found]) -> Row:
    here = found.get("status", Found("regression", "value"))
    return Row(
        Cell("status: ", str(left.status or "no response")),
        Cell("status: ", str(right.status or "no response")),
        Mark.CHANGED,
        here.disposition,
        here.note,
    )


def _headers(left: Headers, right: Headers, part: str, found: Mapping[str, Found]) -> Iterator[Row]:
    """Each name once, with all its values on a line; names in the primary's order."""
    before, after = _joined(left), _joined(right)
    prefix = "trailer " if part == "trailer" else ""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        here = found.get(f"{part}.{name}")
        head = visible(f"{prefix}{name}: ")
        cells = [None if value is None else Cell(head, visible(value)) for value in (old, new)]
        if old == new:
            yield Row(Cell(head + visible(old or "")), Cell(head + visible(new or "")))
            continue
        mark = Mark.ADDED if old is None else Mark.REMOVED if new is None else Mark.CHANGED
        # Headers that differ without a finding are those that are never compared (date, server, …).
        yield Row(
            cells[0],
            cells[1],
            mark,
            here.disposition if here else "ignored",
            here.note if here else "this header is not compared",
        )


def _joined(headers: Headers) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def _body(response: Response) -> str:
    """The body as text: decoded where it can be, else its head in hexadecimal."""
    values = dict(reversed(response.headers))
    plain = decoded(response.body, values.get("content-encoding", ""))
    if not isinstance(plain, bytes):
        return f"({plain.reason})\n{_hex(response.body)}"
    text = to_text(plain, parse_media(values.get("content-type", "")).charset)
    if text is None:
        return f"({len(plain):,} bytes that are no text)\n{_hex(plain)}"
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n… ({len(text):,} characters)"


def _hex(data: bytes) -> str:
    head = data[:_HEX_SHOWN]
    lines: Sequence[str] = [head[at : at + 16].hex(" ") for at in range(0, len(head), 16)]
    return "\n".join([*lines, *(["…"] if len(data) > len(head) else [])])


def _curl(capture: Capture) -> str:
    """A command that asks the same again. Bodies and most headers of requests are not captured."""
    method = "" if capture.method == "GET" else f"-X {shlex.quote(capture.method)} "
    return f"curl -i {method}{shlex.quote(f'http://{capture.authority}{capture.path}')}"
