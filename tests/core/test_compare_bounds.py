"""Input made to break a comparator: always an outcome, never an exception, nothing unbounded."""

from __future__ import annotations

import gzip
import json

import pytest

from differ.core.compare import Where, compare
from differ.core.findings import MAX_FINDINGS
from differ.core.model import Headers, Kind, Outcome, Response, Result
from differ.core.pair_documents import encode, result_document
from differ.core.rules import NO_RULES, RuleSet, parse_rules
from differ.core.shown import SHOWN_BYTES
from tests.core.strategies import answer

WHERE = Where("shop", "GET /")

XML: Headers = (("content-type", "application/xml"),)
GZIP: Headers = (("content-type", "application/json"), ("content-encoding", "gzip"))


def judged(primary: Response, shadow: Response, rules: RuleSet = NO_RULES) -> Outcome:
    outcome = compare(primary, shadow, rules, WHERE)
    back = compare(shadow, primary, rules, WHERE)
    assert outcome.result is back.result
    assert (outcome.result is Result.SKIPPED) is bool(outcome.reason)
    return outcome


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
@pytest.mark.parametrize("depth", [129, 900, 1_100, 100_000])
def test_nested_beyond_the_bound(opening: str, depth: int) -> None:
    closing = "".join({"[": "]", "{": "}"}[char] for char in reversed(opening) if char in "[{")
    body = opening * depth + "1" + closing * depth
    for other in ("1", opening * depth, body.replace("1", "2")):
        assert judged(answer(body), answer(other)).result is not Result.SAME
    assert judged(answer(body), answer(body)).result is Result.SAME


def test_an_array_of_50_megabytes() -> None:
    body = b"[" + b"1," * 25_000_000 + b"1]"
    outcome = judged(answer(body), answer(body[:-2] + b"2]"))
    assert outcome.reason == (
        "primary body: larger than 12 MiB once decoded; shadow body: larger than 12 MiB once decoded"
    )
    assert judged(answer(body), answer(bytes(body))).result is Result.SAME


def test_a_zip_bomb_in_a_zip_bomb() -> None:
    bomb = gzip.compress(gzip.compress(b"0" * 50_000_000))
    headers: Headers = (("content-type", "application/json"), ("content-encoding", "gzip, gzip"))
    outcome = judged(answer(bomb, headers), answer(gzip.compress(gzip.compress(b"1")), headers))
    assert outcome.reason == "primary body: larger than 12 MiB once decoded"


def test_arrays_of_ten_thousand() -> None:
    numbers = list(range(10_000))
    other = [n + 1_000_000 for n in numbers]
    assert [f.difference.kind for f in judged(answer(str(numbers)), answer(str(numbers[::-1]))).findings] == [
        Kind.ORDER
    ]
    outcome = judged(answer(str(numbers)), answer(str(other)))
    assert outcome.omitted
    assert len(outcome.findings) == MAX_FINDINGS
    few = [n % 2 for n in numbers]
    assert judged(answer(str(few)), answer(str([1, *few]))).findings[0].difference.kind is Kind.EXTRA


def test_objects_of_ten_thousand_that_all_changed() -> None:
    left = json.dumps([{"id": n, "at": n} for n in range(10_000)])
    right = json.dumps([{"id": n, "at": n + 1} for n in range(1, 10_000)])
    outcome = judged(answer(left), answer(right))
    assert str(outcome.findings[0].difference.path) == "$[0]"
    assert outcome.findings[0].difference.kind is Kind.MISSING


@pytest.mark.parametrize("key", ["", ", key: id"])
def test_unordered_arrays_of_thousands(key: str) -> None:
    rules = parse_rules(f"rules:\n  - unordered: {{field: $.a{key}}}\n    note: any order\n")
    left = json.dumps({"a": [{"id": n, "at": n} for n in range(3_000)]})
    right = json.dumps({"a": [{"id": n, "at": -n} for n in reversed(range(3_000))]})
    assert judged(answer(left), answer(right), rules).result is Result.DIFFERENT


def test_ignored_differences_are_bounded_and_hide_no_regression() -> None:
    rules = parse_rules("rules:\n  - ignore: {field: '$.a[*]'}\n    note: agreed\n")
    left = json.dumps({"a": list(range(5_000)), "z": 1})
    right = json.dumps({"a": list(range(5_000, 10_000)), "z": 2})
    outcome = compare(answer(left), answer(right), rules, WHERE)
    assert outcome.result is Result.DIFFERENT
    assert outcome.omitted
    assert len(outcome.findings) == MAX_FINDINGS + 1
    assert str(outcome.findings[-1].difference.path) == "$.z"


def test_an_entity_bomb_is_not_replaced() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "x">{entities}]><a b="&e11;">&e11;</a>'.encode()
    assert judged(Response(200, XML, bomb), Response(200, XML, b"<a/>")).result is Result.DIFFERENT


def test_an_external_entity_is_never_fetched() -> None:
    body = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    outcome = judged(Response(200, XML, body), Response(200, XML, b"<a/>"))
    assert b"root" not in encode(result_document("n", outcome))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x00" * 1_000, b"\xff" * 1_000, b"\xef\xbb\xbf", b"\xff\xfe\x00", b'"\\ud800"', b"NaN",
        b"-", b"{}{}",
        b'{"a":1,"a":2}', b"1" * 100_000, b"0." + b"1" * 100_000, b"1e1000000000", b"-1e-1000000000",
        b"1e99999999999999999999", b'{"' + b"k" * 100_000 + b'":1}', b'"' + b"\\u0000" * 1_000 + b'"',
        b"[" + b"[]," * 10_000 + b"[]]", b"\x1f\x8b\x08\x00", b"true", b"tru", b"[1,]", b"\x0c1",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "kind",
    [
        "application/json", "application/x-ndjson", "text/event-stream", "application/x-www-form-urlencoded",
        "application/xml", "text/html", "text/plain", "text/plain; charset=utf-16",
        "text/plain; charset=idna",
        "application/grpc", "application/grpc+json", "application/grpc-web-text",
        "application/octet-stream", "",
        "\x00;;==;charset", "application/json; charset=utf-7",
    ],
)  # fmt: skip
def test_any_bytes_of_any_type_have_an_outcome(body: bytes, kind: str) -> None:
    headers: Headers = (("content-type", kind),)
    for other in (b'{"a":1}', b"x", body + b" ", b""):
        outcome = judged(Response(200, headers, body), Response(200, headers, other))
        for finding in outcome.findings:
            for value in (finding.difference.primary, finding.difference.shadow):
                assert len(encode(value)) <= SHOWN_BYTES + 100


def test_a_long_value_is_kept_as_its_head_and_size() -> None:
    outcome = judged(answer('{"a":"' + "x" * 5_000 + '"}'), answer('{"a":[' + "1," * 5_000 + "1]}"))
    (finding,) = outcome.findings
    assert str(finding.difference.primary).endswith("… (5000 characters)")
    assert str(finding.difference.shadow).endswith("… (5001 elements)")


def test_a_stack_that_is_nearly_used_up_gives_a_reason() -> None:
    left, right = '{"a":' * 120 + "1" + "}" * 120, '{"a":' * 120 + "2" + "}" * 120

    def deep(levels: int) -> Outcome:
        return deep(levels - 1) if levels else compare(answer(left), answer(right), NO_RULES, WHERE)

    reasons = set()
    for levels in range(0, 1_000, 10):
        try:
            outcome = deep(levels)
        except RecursionError:
            break  # there was no room for the call itself
        reasons.add((outcome.result, outcome.reason))
    assert (Result.DIFFERENT, "") in reasons
    assert {reason for _, reason in reasons} <= {
        "",
        "nested too deeply for the stack that was left",
        "primary body: nested deeper than 128 levels; shadow body: nested deeper than 128 levels",
    }


def test_thousands_of_headers() -> None:
    left = tuple((f"x-{n}", str(n)) for n in range(5_000))
    right = tuple((f"x-{n}", str(n + 1)) for n in range(5_000))
    outcome = judged(Response(200, left), Response(200, right))
    assert outcome.omitted
    assert len(outcome.findings) == MAX_FINDINGS


def test_thousands_of_differences_among_booleans() -> None:
    left = [{"on": True, "n": n} for n in range(3_000)]
    right = [{"on": n % 7 == 0, "n": n} for n in range(3_000)]
    outcome = judged(answer(json.dumps(left)), answer(json.dumps(right)))
    assert outcome.omitted
    assert len(outcome.findings) == MAX_FINDINGS
    assert str(outcome.findings[0].difference.path) == "$[1].on"


def test_a_true_that_became_1_is_found_among_all_that_is_equal() -> None:
    left = {"a": [{"n": n, "on": True} for n in range(100)], "b": 1}
    right = json.loads(json.dumps(left)) | {"b": 2}
    right["a"][50]["on"] = 1
    outcome = judged(answer(json.dumps(left)), answer(json.dumps(right)))
    assert [str(finding.difference.path) for finding in outcome.findings] == ["$.a[50].on", "$.b"]


def test_an_element_with_a_hundred_thousand_children() -> None:
    left = b"<a>" + b"<b/><c/>" * 50_000 + b"</a>"
    right = b"<a>" + b"<c/><b/>" * 50_000 + b"</a>"
    (finding,) = judged(Response(200, XML, left), Response(200, XML, right)).findings
    assert finding.difference.kind is Kind.ORDER


def test_deep_arrays_are_compared_by_position() -> None:
    left, right = "[" * 40 + "1,2,3" + "]" * 40, "[" * 40 + "0,1,2,4" + "]" * 40
    kinds = [str(finding.difference.kind) for finding in judged(answer(left), answer(right)).findings]
    assert kinds == ["value", "value", "value", "extra"]
