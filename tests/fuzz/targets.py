"""What is fuzzed, and what has to hold whatever comes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from differ.core.compare import Where, compare
from differ.core.model import Headers, Kind, Outcome, Response, Result
from differ.core.pair_documents import DocumentError, encode, parse, response_from, result_document
from differ.core.rules import NO_RULES, RulesError, RuleSet, parse_rules
from tests.fuzz.mutation import mutated

CASES = Path(__file__).parents[1] / "cases"

WHERE = Where("shop", "GET /")

RULES = parse_rules(
    """
rules:
  - unordered: {field: $..a}
    note: any order
  - ignore: {field: $..b}
    note: agreed
  - within: {field: $..v, relative: 0.1}
    note: rounding
  - within: {field: $..t, time: 5s}
    note: clock
  - matches: {field: $..s, pattern: '[a-z]+(-\\d+)*'}
    note: ids
"""
)


@dataclass(frozen=True)
class Target:
    """Something that reads captured bytes. ``run`` raises AssertionError where a law does not hold."""

    seeds: Sequence[bytes]
    run: Callable[[bytes, bytes, random.Random], None]

    def once(self, draw: random.Random) -> tuple[bytes, bytes]:
        """Two inputs, often alike."""
        first = draw.choice(self.seeds)
        one = mutated(first, self.seeds, draw) if draw.random() < 0.8 else first
        base = one if draw.random() < 0.6 else draw.choice(self.seeds)
        return one, mutated(base, self.seeds, draw)


def bodies(table: str) -> list[bytes]:
    """The bodies in a table of cases, none of them large."""
    found: set[bytes] = {b""}
    for line in (CASES / f"{table}.jsonl").read_text().splitlines():
        case = json.loads(line)
        for side in ("primary", "shadow"):
            body = response_from(case[side], side).body
            found |= {body} if len(body) < 4_000 else set()
    return sorted(found)


MIRROR = {Kind.MISSING: Kind.EXTRA, Kind.EXTRA: Kind.MISSING}


def fields(outcome: Outcome, *, mirrored: bool = False) -> list[str]:
    """The differences in a form that does not depend on order or position."""
    rows = []
    for finding in outcome.findings:
        it = finding.difference
        kind = MIRROR.get(it.kind, it.kind) if mirrored else it.kind
        sides = (it.shadow, it.primary) if mirrored else (it.primary, it.shadow)
        rows.append(repr((str(it.path.generalised()), str(kind), sides, finding.rule)))
    return sorted(rows)


def laws(one: Response, two: Response, rules: RuleSet) -> None:
    """What holds for every pair of responses."""
    there, back = compare(one, two, rules, WHERE), compare(two, one, rules, WHERE)
    assert there.result is back.result
    if not there.omitted and one.status == two.status:
        assert fields(there) == fields(back, mirrored=True)
    if rules is NO_RULES:
        assert (there.result is Result.DIFFERENT) is bool(there.findings)
    assert compare(one, one, rules, WHERE).result is Result.SAME
    encode(result_document("name", there))


def of_body(content_type: str, table: str, more: Headers = ()) -> Target:
    """Bodies of one content-type, against each other and against themselves."""
    headers: Headers = ((("content-type", content_type),) if content_type else ()) + more

    def run(one: bytes, two: bytes, draw: random.Random) -> None:
        rules = draw.choice([NO_RULES, RULES])
        laws(Response(200, headers, one), Response(200, headers, two), rules)

    return Target(bodies(table), run)


def _encoded(one: bytes, two: bytes, draw: random.Random) -> None:
    def response(body: bytes) -> Response:
        name = draw.choice(["gzip", "deflate", "br", "zstd", "gzip, br", "x", ""])
        return Response(200, (("content-type", "application/json"), ("content-encoding", name)), body)

    laws(response(one), response(two), NO_RULES)


def _headers(one: bytes, two: bytes, draw: random.Random) -> None:
    names = ["vary", "set-cookie", "content-type", "cache-control", "link", "x-a", "connection"]

    def response(data: bytes) -> Response:
        lines = data.decode("latin-1").split("\n")
        headers = tuple((draw.choice(names), line) for line in lines[:6])
        return Response(200, headers, b"{}", headers[:1])

    left, right = response(one), response(two)
    laws(left, right, NO_RULES)


def _rules(one: bytes, two: bytes, draw: random.Random) -> None:
    try:
        rules = parse_rules(one.decode(errors="replace"))
    except RulesError as error:
        if not error.problems or not all(it.line >= 1 and it.text for it in error.problems):
            raise
        return
    assert rules.digest == parse_rules(one.decode(errors="replace")).digest
    body = draw.choice(JSON_BODIES)
    kind = (("content-type", "application/json"),)
    effective = rules.effective(date(2026, 1, 1), "v2")
    outcome = compare(Response(200, kind, body), Response(200, kind, two), effective, WHERE)
    assert not (outcome.findings and not effective.rules and outcome.result is Result.SAME)


def _document(one: bytes, two: bytes, draw: random.Random) -> None:
    for data in (one, two):
        try:
            response_from(parse(data, "file"), "file")
        except DocumentError:
            continue


def _texts(table: str, member: str) -> list[bytes]:
    found: set[bytes] = {b""}
    for line in (CASES / f"{table}.jsonl").read_text().splitlines():
        value: Any = json.loads(line)[member]
        found.add((value if isinstance(value, str) else json.dumps(value)).encode())
    return sorted(text for text in found if len(text) < 4_000)


JSON_BODIES = bodies("json") + bodies("arrays") + bodies("rules")

TARGETS: dict[str, Target] = {
    "json": Target(JSON_BODIES, of_body("application/json", "json").run),
    "ndjson": of_body("application/x-ndjson", "ndjson"),
    "sse": of_body("text/event-stream", "sse"),
    "form": of_body("application/x-www-form-urlencoded", "form"),
    "xml": of_body("application/xml", "xml"),
    "html": of_body("text/html", "html"),
    "text": of_body("text/plain", "text"),
    "grpc": of_body("application/grpc", "grpc", (("grpc-encoding", "gzip"),)),
    "grpc-web-text": of_body("application/grpc-web-text", "grpc"),
    "sniffed": of_body("", "opaque"),
    "charset": of_body("application/json; charset=utf-16", "json"),
    "encodings": Target(bodies("encodings"), _encoded),
    "headers": Target(_texts("headers", "primary"), _headers),
    "rules": Target(_texts("rules", "rules"), _rules),
    "documents": Target(_texts("status", "primary"), _document),
}
"""Each lifter, and what else reads input from outside."""
