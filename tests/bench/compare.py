"""How many pairs one core compares, at three sizes and five ways of being alike, beside DeepDiff.

The times are the best of several rounds: what the code costs, without what else the machine does.

``pairs/s`` is a whole comparison: status, headers, both bodies parsed, compared, findings made.
``walk`` and ``DeepDiff`` are the comparison of two parsed bodies alone, and ``times`` is how much
faster the one is than the other.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

from deepdiff import DeepDiff

from differ.core.body import walk_both
from differ.core.compare import Where, compare
from differ.core.findings import Collector
from differ.core.lifting.jsons import lift_json
from differ.core.lifting.lifted import Lifted
from differ.core.model import Headers, Response, Result
from differ.core.rules import NO_RULES, RuleSet, parse_rules

WHERE = Where("shop", "GET /orders/{id}")

RULES = parse_rules(
    """
rules:
  - ignore: {field: $.served_at}
    note: wall clock of the server
  - ignore: {field: $..trace}
    note: id of the request
  - within: {field: $..price, absolute: 0.001}
    note: rounding agreed
  - unordered: {field: $.related}
    note: the index returns hits in any order
"""
)

Json = dict[str, object]


def order(seed: int, items: int) -> Json:
    """An order as a shop's API gives it: texts, amounts, flags, nulls, nested and listed."""
    draw = random.Random(seed)
    return {
        "id": f"ord_{draw.getrandbits(64):016x}",
        "served_at": "2026-11-23T18:41:24.123456Z",
        "customer": {"name": "Ann Example", "email": "ann@example.com", "vip": draw.random() < 0.5},
        "total": round(draw.uniform(10, 500), 2),
        "items": [
            {
                "sku": f"sku-{draw.randrange(10**6):06d}",
                "title": draw.choice(["Teapot, blue", "Cup", "Saucer 14 cm"]),
                "price": round(draw.uniform(1, 99), 2),
                "quantity": draw.randrange(1, 9),
                "gift": False,
                "note": None,
            }
            for _ in range(items)
        ],
    }


def headers(number: int) -> Headers:
    """Headers of which, as in life, some differ in every answer."""
    return (
        ("content-type", "application/json; charset=utf-8"),
        ("date", f"Mon, 23 Nov 2026 18:41:{number:02d} GMT"),
        ("cache-control", "no-store, max-age=0"),
        ("vary", "accept-encoding, origin"),
        ("x-request-id", f"b9c1{number:08d}"),
        ("x-envoy-upstream-service-time", str(number)),
        ("etag", '"33a64df5"'),
        ("server", "envoy"),
    )


def variants(document: Json) -> dict[str, tuple[bytes, bytes]]:
    """The bodies of a pair, by how they are alike."""
    body = json.dumps(document).encode()
    changed = json.loads(body)
    changed["items"][len(changed["items"]) // 2]["quantity"] += 1
    many = json.loads(body)
    many["served_at"] = "2026-11-23T18:41:24.654321Z"
    for item in many["items"]:
        item["price"] = round(item["price"] + 1, 2)
        item["title"] += "!"
    inserted = json.loads(body)
    inserted["items"].insert(1, order(99, 1)["items"][0])  # type: ignore[index]
    return {
        "identical bytes": (body, body),
        "equal once lifted": (body, json.dumps(document, indent=1, sort_keys=True).encode()),
        "one difference": (body, json.dumps(changed).encode()),
        "one element inserted": (body, json.dumps(inserted).encode()),
        "many differences": (body, json.dumps(many).encode()),
    }


def per_second(work: Callable[[], object], seconds: float = 0.5, rounds: int = 5) -> float:
    """The rate of the best round, each of about ``seconds / rounds``."""
    count, best = 1, 0.0
    while True:
        started = time.perf_counter()
        for _ in range(count):
            work()
        elapsed = time.perf_counter() - started
        if elapsed >= seconds / rounds:
            break
        count *= 2
    best = count / elapsed
    for _ in range(rounds - 1):
        started = time.perf_counter()
        for _ in range(count):
            work()
        best = max(best, count / (time.perf_counter() - started))
    return best


def walked(left: object, right: object) -> None:
    """The comparison of two lifted bodies, as a comparison of responses does it."""
    if not isinstance(left, Lifted) or not isinstance(right, Lifted):
        raise TypeError("not lifted")
    found = Collector(None)
    walk_both(left, right, found)
    found.outcome()


def main() -> None:
    """Print the table."""
    titles = f"{'pairs/s':>9} {'with rules':>10} {'walk':>9} {'DeepDiff':>9} {'times':>6}"
    print(f"{'body':>8}  {'alike':20} {titles}")
    for items in (1, 15, 162):
        document = order(items, items)
        for alike, (left, right) in variants(document).items():
            primary, shadow = Response(200, headers(1), left), Response(200, headers(2), right)
            expected = Result.SAME if left == right or alike.startswith("equal") else Result.DIFFERENT
            if compare(primary, shadow, NO_RULES, WHERE).result is not expected:
                raise SystemExit(f"{alike}: not {expected}")

            def ours(rules: RuleSet, pair: tuple[Response, Response] = (primary, shadow)) -> object:
                return compare(*pair, rules, WHERE)

            lifted = lift_json(left, floats=True), lift_json(right, floats=True)
            parsed = json.loads(left), json.loads(right)

            def walk(pair: tuple[object, object] = lifted) -> None:
                walked(*pair)

            def theirs(pair: tuple[object, object] = parsed) -> object:
                return DeepDiff(*pair)

            plain, ruled = per_second(lambda: ours(NO_RULES)), per_second(lambda: ours(RULES))
            alone, peer = per_second(walk), per_second(theirs)
            rates = f"{plain:>9,.0f} {ruled:>10,.0f} {alone:>9,.0f} {peer:>9,.0f} {alone / peer:>5,.0f}×"
            print(f"{len(left):>6} B  {alike:20} {rates}")
