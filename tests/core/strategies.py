"""Generated JSON, with the values that comparators get wrong drawn often."""

from __future__ import annotations

import json
import random
from decimal import Decimal

from hypothesis import strategies as st

from differ.core.model import End, Headers, Outcome, Response
from differ.core.paths import Part

Json = object

NUMBERS = ("0", "1", "-1", "1.0", "1e0", "10e-1", "0.1", "0.10", "0.10000000000000000001", "-0", "-0.0",
           "9007199254740992", "9007199254740993", "9007199254740993.0", "1e400", "2e400", "1e-400",
           "18446744073709551616", "1.5", "100", "1E2")  # fmt: skip

TEXTS = ("", "a", "b", "id", "1", "true", "é", "e\u0301", "\u202e", "a.b", "it's", "x" * 300)


class Number:
    """A number in a given spelling."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"Number({self.text!r})"

    @property
    def value(self) -> Decimal:
        return Decimal(self.text)


numbers = st.sampled_from(NUMBERS).map(Number) | st.integers(-5, 5).map(lambda n: Number(str(n)))
texts = st.sampled_from(TEXTS) | st.text(max_size=5)
scalars = st.none() | st.booleans() | numbers | texts
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)
"""JSON values, their numbers as Number."""


def spelled(value: Json, draw: random.Random | None = None) -> str:
    """JSON text of a value; with ``draw``, in some other order, layout and spelling that mean the same."""
    space = "" if draw is None else draw.choice(["", "", " ", "\n\t"])
    if isinstance(value, Number):
        return value.text if draw is None else respelled(value.text, draw)
    if isinstance(value, dict):
        members = list(value.items())
        if draw is not None:
            draw.shuffle(members)
        inside = f",{space}".join(f"{text_of(k, draw)}{space}:{spelled(v, draw)}" for k, v in members)
        return f"{{{space}{inside}{space}}}"
    if isinstance(value, list):
        return f"[{space}{f',{space}'.join(spelled(item, draw) for item in value)}{space}]"
    if isinstance(value, str):
        return text_of(value, draw)
    return json.dumps(value)


def text_of(text: str, draw: random.Random | None) -> str:
    return json.dumps(text, ensure_ascii=draw is None or draw.random() < 0.5)


def respelled(text: str, draw: random.Random) -> str:
    """The same number, otherwise."""
    number = Decimal(text)
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or abs(exponent) > 300:
        return text
    whole = "".join(map(str, digits)) + "0" * draw.randrange(3)
    shift = exponent - (len(whole) - len(digits))
    return draw.choice([text, f"{'-' if sign else ''}{whole.lstrip('0') or '0'}{draw.choice('eE')}{shift}"])


responses = st.builds(
    Response,
    st.sampled_from([200, 201, 404, 500]),
    st.lists(
        st.tuples(
            st.sampled_from(["content-type", "x-a", "vary", "set-cookie", "date", "etag"]),
            st.sampled_from(["application/json", "text/plain", "a", "b", "a, b", "b,a", "s=1; path=/"]),
        ),
        max_size=4,
    ).map(tuple),
    st.one_of(json_values.map(lambda value: spelled(value).encode()), st.binary(max_size=20)),
    st.lists(st.tuples(st.just("grpc-status"), st.sampled_from(["0", "1"])), max_size=1).map(tuple),
    st.sampled_from([End.COMPLETE] * 6 + [End.TRUNCATED, End.ABORTED, End.NOT_CAPTURED]),
)

JSON_HEADERS: Headers = (("content-type", "application/json"),)


def answer(body: str | bytes, headers: Headers = JSON_HEADERS) -> Response:
    """A complete 200 with a body."""
    return Response(200, headers, body.encode() if isinstance(body, str) else body)


def fields(outcome: Outcome) -> list[tuple[str, str, object, object]]:
    """The differences by field, kind and values, sorted."""
    return sorted(
        (
            (
                str(finding.difference.path.generalised()),
                str(finding.difference.kind),
                finding.difference.primary,
                finding.difference.shadow,
            )
            for finding in outcome.findings
        ),
        key=repr,
    )


def in_path_order(outcome: Outcome) -> bool:
    """Whether the differences come as a reader expects: status, headers, body by place, trailers."""
    parts = [Part.STATUS, Part.HEADER, Part.BODY, Part.TRAILER]
    keys = [
        (
            parts.index(finding.difference.path.part),
            finding.difference.path.name,
            [(isinstance(step, str), step) for step in finding.difference.path.steps],
        )
        for finding in outcome.findings
    ]
    return keys == sorted(keys)
