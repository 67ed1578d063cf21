"""The demo's sample service: a small shop, in a version that works and in one with faults planted in it.

``python -m differ.local.shop v1|v2 HOST:PORT``

What v1 answers depends on the path alone, but for ``served_at``, which is the time of the answer. Version
v2 answers the same, except for:

============================ ======================================== ==============================
endpoint                     fault of v2                              signature
============================ ======================================== ==============================
``/orders/{id}``             a cent less tax on every third order     ``$.totals.tax`` value
``/products/{id}``           the weight is gone                       ``$.package.weight_grams`` missing
``/customers/{id}``          the caching header is gone               ``header.cache-control`` missing
``/customers/{id}/alerts``   fails where there are no alerts          ``status`` 204 → 500
============================ ======================================== ==============================
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b

from mirrordiff.process.settings import parse_address

Json = dict[str, object]
Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers, body."""

_JSON = ("content-type", "application/json")
_CACHED = ("cache-control", "private, max-age=30")

_ADJECTIVES = ("plain", "oiled", "folding", "heavy", "light", "narrow", "tall", "stackable")
_NOUNS = ("bench", "lamp", "shelf", "stool", "table", "crate", "mirror", "ladder")
_FIRST = ("Ada", "Emmy", "Grace", "Ida", "Maryam", "Rosalind", "Sofya", "Vera")
_LAST = ("Byron", "Franklin", "Hopper", "Kovalevskaya", "Mirzakhani", "Noether", "Rhodes", "Rubin")
_CITIES = ("Aarhus", "Bergen", "Ghent", "Graz", "Lucca", "Porto", "Tartu", "Utrecht")


def answer(version: str, path: str, now: dt.datetime) -> Answer:
    """What the shop answers to GET or HEAD of a path."""
    faulty = version == "v2"
    for pattern, page in _PAGES:
        match = re.fullmatch(pattern, path.partition("?")[0])
        if match is not None:
            return page(int(match[1]) if match.lastindex else 0, faulty, now)
    return 404, [_JSON], _body({"error": "there is no such page"}, now)


def _order(number: int, faulty: bool, now: dt.datetime) -> Answer:  # noqa: FBT001
    items = [_item(number, place) for place in range(5 + _pick(number, "items", 4))]
    net = sum(_cents(item["total"]) for item in items)
    tax = net * 19 // 100
    shipping = 490 if net < 20_000 else 0
    order: Json = {
        "id": number,
        "state": ("open", "paid", "packed", "sent")[_pick(number, "state", 4)],
        "placed_on": f"2026-{1 + _pick(number, 'month', 9):02}-{1 + _pick(number, 'day', 28):02}",
        "customer": _person(number % 97),
        "items": items,
        "totals": {
            "net": net / 100,
            "tax": (tax - 1 if faulty and number % 3 == 0 else tax) / 100,
            "shipping": shipping / 100,
            "gross": (net + tax + shipping) / 100,
        },
        "links": {"self": f"/orders/{number}", "customer": f"/customers/{number % 97}"},
    }
    return 200, [_JSON, _CACHED], _body(order, now)


def _orders(_: int, __: bool, now: dt.datetime) -> Answer:  # noqa: FBT001
    rows = [{"id": n, "state": "open", "items": 2 + _pick(n, "items", 4)} for n in range(1, 31)]
    return 200, [_JSON, _CACHED], _body({"orders": rows, "next": "/orders?page=2"}, now)


def _product(number: int, faulty: bool, now: dt.datetime) -> Answer:  # noqa: FBT001
    package: Json = {side: 10 + _pick(number, side, 90) for side in ("width_cm", "height_cm", "depth_cm")}
    if not faulty:
        package["weight_grams"] = 200 + _pick(number, "weight", 20_000)
    product: Json = {
        "id": number,
        "name": _product_name(number),
        "price": (500 + _pick(number, "price", 40_000)) / 100,
        "in_stock": _pick(number, "stock", 5) > 0,
        "package": package,
        "description": f"A {_product_name(number)} that outlives the room it stands in. " * 8,
        "related": [{"id": n, "name": _product_name(n)} for n in range(number + 1, number + 16)],
    }
    return 200, [_JSON, _CACHED], _body(product, now)


def _customer(number: int, faulty: bool, now: dt.datetime) -> Answer:  # noqa: FBT001
    customer = {
        **_person(number),
        "since": 2015 + _pick(number, "since", 11),
        "orders": [
            {"id": n, "gross": (1000 + _pick(n, "gross", 90_000)) / 100}
            for n in range(number * 5, number * 5 + 32)
        ],
    }
    return 200, [_JSON] if faulty else [_JSON, _CACHED], _body(customer, now)


def _alerts(_: int, faulty: bool, __: dt.datetime) -> Answer:  # noqa: FBT001
    return 500 if faulty else 204, [_CACHED], b""


_PAGES: tuple[tuple[str, Callable[[int, bool, dt.datetime], Answer]], ...] = (
    (r"/orders/(\d+)", _order),
    (r"/orders", _orders),
    (r"/products/(\d+)", _product),
    (r"/customers/(\d+)", _customer),
    (r"/customers/(\d+)/alerts", _alerts),
)


def requests(count: int) -> list[str]:
    """The paths of so many different requests to the shop, each endpoint in turn."""
    kinds = ("/orders/{0}", "/products/{0}", "/customers/{0}", "/customers/{0}/alerts", "/orders?page={0}")
    return [kinds[n % len(kinds)].format(1 + n // len(kinds)) for n in range(count)]


def _body(content: Mapping[str, object], now: dt.datetime) -> bytes:
    return json.dumps({**content, "served_at": now.isoformat(timespec="milliseconds")}).encode()


def _item(order: int, place: int) -> Json:
    product = order * 7 + place * 13
    quantity = 1 + _pick(product, "quantity", 5)
    cents = 500 + _pick(product, "price", 40_000)
    return {
        "product": product,
        "name": _product_name(product),
        "quantity": quantity,
        "price": cents / 100,
        "total": quantity * cents / 100,
        "note": f"ships from {_CITIES[_pick(product, 'from', len(_CITIES))]} in a box of its own",
    }


def _person(number: int) -> Json:
    first, last = _FIRST[number % len(_FIRST)], _LAST[_pick(number, "last", len(_LAST))]
    return {
        "id": number,
        "name": f"{first} {last}",
        "email": f"{first}.{last}.{number}@shop.example".lower(),
        "address": {
            "street": f"{1 + _pick(number, 'house', 200)} Station Road",
            "city": _CITIES[_pick(number, "city", len(_CITIES))],
            "postcode": f"{10_000 + _pick(number, 'postcode', 89_999)}",
        },
    }


def _product_name(number: int) -> str:
    adjective = _ADJECTIVES[_pick(number, "adjective", len(_ADJECTIVES))]
    return f"{adjective} {_NOUNS[_pick(number, 'noun', len(_NOUNS))]}"


def _pick(number: int, what: str, below: int) -> int:
    """A number from 0 to below - 1 that looks random and is always the same."""
    digest = blake2b(f"{what} {number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % below


def _cents(amount: object) -> int:
    return round(float(str(amount)) * 100)


Send = Callable[[Mapping[str, object]], Awaitable[None]]


class Shop:
    """The ASGI application of one version."""

    def __init__(self, version: str) -> None:
        self._version = version

    async def __call__(
        self, scope: Mapping[str, object], _: Callable[[], Awaitable[object]], send: Send
    ) -> None:
        if scope["type"] != "http":
            return
        status, headers, body = answer(self._version, str(scope["path"]), dt.datetime.now(dt.UTC))
        length = [] if status == 204 else [("content-length", str(len(body)))]
        raw = [(name.encode(), value.encode()) for name, value in (*headers, *length)]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def main(version: str, where: str) -> None:
    """Serve one version until SIGTERM or SIGINT."""
    import uvicorn

    address = parse_address(where)
    uvicorn.run(
        Shop(version),
        host=address.host,
        port=address.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
