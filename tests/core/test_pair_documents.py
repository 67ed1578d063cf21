"""Saved responses and results as documents."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from differ.core.compare import Where, compare
from differ.core.model import End, Response
from differ.core.pair_documents import (
    DocumentError,
    encode,
    pair_from,
    parse,
    response_document,
    response_from,
    result_document,
)
from differ.core.rules import NO_RULES
from tests.core.strategies import answer, responses

WHERE = Where("shop", "GET /")


@given(responses, st.none() | st.integers(0, 10**9))
def test_a_response_survives_being_saved(response: Response, duration: int | None) -> None:
    response = replace(response, duration_us=duration)
    assert response_from(parse(encode(response_document(response)), "file")) == response


def test_no_response_survives_being_saved() -> None:
    silent = Response(0, end=End.NO_RESPONSE)
    assert response_from(response_document(silent)) == silent


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "response is to be an object"),
        ({}, "response.status is missing"),
        ({"status": "200"}, "response.status is to be a number"),
        ({"status": True}, "response.status is to be a number"),
        ({"status": 99}, "response.status is to be a number"),
        ({"status": 200, "bdoy": ""}, "unknown keys: bdoy"),
        ({"status": 200, "body": {}}, "response.body is to be a text"),
        ({"status": 200, "body": "", "body_base64": ""}, "both"),
        ({"status": 200, "body_base64": "%"}, "response.body_base64 is to be a text in base64"),
        ({"status": 200, "body_base64": 1}, "response.body_base64 is to be a text in base64"),
        ({"status": 200, "headers": {}}, "response.headers is to be a list"),
        ({"status": 200, "headers": [["a", "b"], ["a"]]}, "response.headers[1] is to be a pair"),
        ({"status": 200, "headers": [["a", 1]]}, "response.headers[0] is to be a pair"),
        ({"status": 200, "trailers": [1]}, "response.trailers[0] is to be a pair"),
        ({"status": 200, "truncated": "no"}, "response.truncated is to be true or false"),
        ({"status": 200, "end": "lost"}, "response.end is to be one of"),
        ({"status": 200, "duration_ms": -1}, "response.duration_ms is to be a number"),
        ({"status": 200, "duration_ms": 1e300}, "response.duration_ms is to be a number"),
    ],
)
def test_a_bad_document_is_told_by_what_and_where(document: object, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        response_from(document)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'"\xff"', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{} x", "not JSON"),
    ],
)
def test_what_is_no_json_is_told(data: bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        parse(data, "line 3")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"primary": {"status": 200}}, "line 1.shadow is missing"),
        ({"primary": {}, "shadow": {"status": 200}}, "line 1.primary.status is missing"),
        ({"primary": {"status": 200}, "shadow": {"status": 200}, "name": 1}, "line 1.name is to be a text"),
        ({"a": 1}, "unknown keys"),
    ],
)
def test_a_bad_pair_is_told_by_what_and_where(document: object, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        pair_from(document, "line 1", WHERE)
    assert said in str(caught.value)


def test_a_pair_may_say_what_it_answers() -> None:
    sides = {"primary": {"status": 200}, "shadow": {"status": 200}}
    assert pair_from(sides, "line 1", WHERE).where == WHERE
    assert pair_from(sides | {"service": "a", "endpoint": "b"}, "line 1", WHERE).where == Where("a", "b")


def test_numbers_keep_every_digit() -> None:
    outcome = compare(
        answer('{"a":12345678901234567890.123,"b":1e400}'), answer('{"a":0.1,"b":2}'), NO_RULES, WHERE
    )
    text = encode(result_document("n", outcome)).decode()
    assert "12345678901234567890.123" in text
    assert "1E+400" in text
    assert json.loads(text)["differences"][0]["shadow"] == 0.1


def test_the_result_document() -> None:
    outcome = compare(answer('{"items":[{"p":1}]}'), answer('{"items":[{"p":2}]}'), NO_RULES, WHERE)
    assert result_document("n", outcome) == {
        "name": "n",
        "outcome": "different",
        "reason": "",
        "differences": [
            {
                "field": "$.items[*].p",
                "path": "$.items[0].p",
                "kind": "value",
                "primary": 1,
                "shadow": 2,
                "disposition": "regression",
                "rule": None,
            }
        ],
    }
