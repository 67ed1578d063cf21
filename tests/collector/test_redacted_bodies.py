"""Values in bodies: what is named never stays, what is equal stays equal, all else keeps its bytes."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collector.packing import CannotUnpack, unpack
from collector.redaction import Redaction
from collector.settings import CollectorSettings
from collector.suspects import EVERY, Suspects, kinds_in, luhn
from mirrordiff.v1.capture_pb2 import Capture

KEY = b"a secret of the installation"
SECRET = "s3cr3t-v4lue"
JSON = b"content-type: application/json"
CARD = b"4111 1111 1111 1111"
JWT = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3In0.dozjgNryP4J3jVmNHl0w5N"


def redaction(*fields: str, **more: Any) -> Redaction:
    return Redaction(key=KEY, fields=fields, **more)


def redact(document: bytes, *fields: str, head: bytes = JSON, **more: Any) -> bytes:
    return redaction(*fields, **more).body(document, head)


def test_a_field_becomes_a_token_and_the_rest_keeps_its_bytes() -> None:
    document = b'{"id": 9007199254740993, "customer": {"email": "a@b.c", "x": [1.10, 1e400]}, "email": 1}'
    token = redaction()
    assert token.body(document, JSON) is document
    made = redact(document, "$.customer.email")
    assert made.startswith(b'{"id":9007199254740993,"customer":{"email":"<token:')
    assert made.endswith(b'>","x":[1.10, 1e400]},"email":1}')


@pytest.mark.parametrize(
    ("field", "document"),
    [
        ("$.a", {"a": SECRET}),
        ("$.a", {"a": {"deep": [SECRET]}}),
        ("$.a.b", {"a": {"b": SECRET}}),
        ("$.a[*].b", {"a": [{"b": SECRET}, {"b": SECRET}]}),
        ("$.*.b", {"x": {"b": SECRET}, "y": {"b": SECRET}}),
        ("$..b", {"x": [{"y": {"b": SECRET}}], "b": SECRET}),
        ("$..a.b", {"x": [{"a": {"b": SECRET}}]}),
        ("$['odd name'].b", {"odd name": {"b": SECRET}}),
        ("$[*]", [SECRET, SECRET]),
        ("$..ü", {"ü": SECRET}),
    ],
)
@pytest.mark.parametrize("escaped", [True, False])
def test_fields_are_found_where_they_are(field: str, document: object, escaped: bool) -> None:
    made = redact(json.dumps(document, ensure_ascii=escaped).encode(), field)
    assert SECRET.encode() not in made
    assert b"<token:" in made
    json.loads(made)


@pytest.mark.parametrize(
    "document",
    [
        b'{"\\u0069ban": "%s"}',
        b'{"iban": "%s", "iban": 1}',
        b'{"a": {"iban": "%s"}, "a": 1}',
        b'{"iban": "%s"',
        b'{"iban": "%s"} trailing',
        b"iban=%s",
        b"\xff%s",
        b"[" * 5000 + b'{"iban": "%s"}' + b"]" * 5000,
    ],
)
def test_no_way_of_writing_hides_a_field(document: bytes) -> None:
    for head in (JSON, b"", b"content-type: text/plain"):
        assert SECRET.encode() not in redact(document % SECRET.encode(), "$..iban", head=head)


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc") | st.text(), inner)
)


@given(DOCUMENTS, st.sampled_from("abc"))
def test_of_any_document_only_the_field_changes(document: object, name: str) -> None:
    made = json.loads(redact(json.dumps(document).encode(), f"$..{name}"))

    def same(one: Any, other: Any) -> None:
        if isinstance(one, dict):
            assert one.keys() == other.keys()
            for key in one:
                if key != name:
                    same(one[key], other[key])
                elif one[key] is not None:
                    assert other[key].startswith("<token:")
        elif isinstance(one, list):
            for left, right in zip(one, other, strict=True):
                same(left, right)
        else:
            assert one == other

    same(document, made)


def test_equal_values_have_equal_tokens_under_one_key() -> None:
    def token(value: str, key: bytes = KEY) -> str:
        made = Redaction(key=key, fields=["$.a"]).body(b'{"a": ' + value.encode() + b"}", JSON)
        found: str = json.loads(made)["a"]
        return found

    assert token('"x"') == token('"\\u0078"') != token('"y"')
    assert token("1.0") == token("1e0") != token('"1"')
    assert token('{"a": 1, "b": 2}') == token('{"b":2,"a":1}')
    assert token('"x"') != token('"x"', b"another secret, as long")


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_a_packed_body_is_redacted_and_packed_again(encoding: str, pack: Any) -> None:
    head = JSON + b"\r\ncontent-encoding: " + encoding.encode()
    made = redact(pack(b'{"a": "%s"}' % SECRET.encode()), "$.a", head=head)
    plain = unpack(made, encoding.encode(), 1000)
    assert plain.startswith(b'{"a":"<token:')
    with pytest.raises(CannotUnpack):
        unpack(pack(b"x" * 1001), encoding.encode(), 1000)
    with pytest.raises(CannotUnpack):
        unpack(pack(b"x" * 500)[:-3], encoding.encode(), 1000)
    broken = redaction("$.a")
    assert broken.body(b"\x00" + SECRET.encode(), head).startswith(b"<token:")
    assert broken.withheld == {"packed": 1}


def test_lines_are_redacted_one_by_one() -> None:
    made = redact(b'{"a": "x"}\n\n{"b": 1}\n', "$.a", head=b"content-type: application/x-ndjson")
    assert made.startswith(b'{"a":"<token:')
    assert made.endswith(b'\n\n{"b": 1}\n')


@pytest.mark.parametrize("secret", [b"jane.doe@example.com", CARD, JWT])
def test_patterns_are_replaced_wherever_text_is(secret: bytes) -> None:
    known = redaction(patterns=["email", "card", "jwt"])
    for body, head in (
        (b'{"note": "call %s now", "%s": [1]}' % (secret, secret), JSON),
        (b"<p>%s</p>" % secret, b"content-type: text/html"),
        (b"\x0a\x14%s" % secret, b"content-type: application/grpc"),
    ):
        assert secret not in known.body(body, head)
    assert secret not in known.headers(b"x-user: " + secret)
    assert secret not in known.path(b"/find?q=" + secret)
    plain = b'{"note": "4111 1111 1111 1112"}'
    assert json.loads(known.body(plain, JSON)) == json.loads(plain)


def test_an_escaped_or_bare_match_is_found_too() -> None:
    known = redaction(patterns=["email", "card"])
    assert b"token" in known.body(b'{"a": "jane\\u0040example.com"}', JSON)
    assert json.loads(known.body(b'{"a": 4111111111111111}', JSON))["a"].startswith("<token:")


def test_only_hashes() -> None:
    kept = redaction(mode="hash-only")
    made = kept.body(b'{"a": [1, "x", null, true]}', JSON)
    assert [str(leaf)[:7] for leaf in json.loads(made)["a"]] == ["<token:", "<token:", "None", "<token:"]
    assert kept.body(b"\x00\x01", b"").startswith(b"<token:")
    assert kept.headers(b"x-a: 1\r\ncontent-type: a/b").startswith(b"x-a: <token:")
    assert kept.headers(b"x-a: 1\r\ncontent-type: a/b").endswith(b"\r\ncontent-type: a/b")
    assert kept.path(b"/a?b=secret&c").startswith(b"/a?b=<token:")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"redact_fields": "$.a"}, "at least 16 bytes"),
        ({"redact_mode": "hash-only"}, "at least 16 bytes"),
        ({"redact_mode": "full", "redact_fields": "$.a"}, "mode full"),
        ({"redact_fields": "$.a,customer", "redact_key": "0123456789abcdef"}, "'customer' is not a field"),
        ({"redact_fields": "$.a b", "redact_key": "0123456789abcdef"}, "is not a field"),
        ({"redact_patterns": "email\n(", "redact_key": "0123456789abcdef"}, "pattern 2"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        CollectorSettings(**settings).redaction()


def test_what_looks_personal_is_counted_by_kind() -> None:
    assert kinds_in(b"a %s b %s c jane@example.com" % (CARD, JWT)) == {"email", "card", "jwt"}
    assert kinds_in(b'{"at": "2026-11-23T19:00:00", "n": 4111111111111112, "f": 4.111111111111111}') == set()
    suspects = Suspects()
    for _ in range(EVERY):
        suspects.pass_by(Capture(path="/", body=CARD))
    assert (suspects.counts, suspects.looked_at) == ({"card": 1}, 1)


@given(st.integers(0, 10**18))
def test_one_digit_in_ten_checks(number: int) -> None:
    assert sum(luhn(b"%d%d" % (number, digit)) for digit in range(10)) == 1
