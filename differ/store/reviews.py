"""Reviews: rules that people made of a service's signatures, kept until they are undone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, cast

import msgspec

from differ.store.scripts import script
from mirrordiff.process.redis import Client
from mirrordiff.redis_keys import key

MOST_REVIEWS: Final = 200
"""Reviews of one service. Whoever needs more of them has a rules file to write."""

Action = Literal["expect", "ignore"]


class Review(msgspec.Struct, frozen=True):
    """One review. ``id`` is that of its rule, ``rule`` the rule as YAML, a list of one.

    ``until`` is the last day on which it applies, ``YYYY-MM-DD`` or empty; ``candidate`` the only one
    that it is about, or empty. ``created_us``: microseconds since the Unix epoch.
    """

    id: str
    action: Action
    signature: str
    endpoint: str
    field: str
    rule: str
    note: str
    by: str
    created_us: int
    until: str = ""
    candidate: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Review).decode


class Reviews:
    """Reads and writes them. Writing one again changes nothing."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis
        self._add = script("review")

    async def of(self, service_id: str) -> list[Review]:
        """The reviews of a service, in the order in which they were made."""
        return _readable(cast("dict[bytes, bytes]", await self._redis.hgetall(key("rules", service_id))))

    async def everything(self) -> list[Review]:
        """The reviews of every service that is known, those of each in the order in which they were made."""
        services = cast("list[bytes]", await self._redis.zrange(key("services"), 0, -1))
        pipeline = self._redis.pipeline(transaction=False)
        for member in sorted(services):
            service_id, _, _ = member.decode().partition("\n")
            pipeline.hgetall(key("rules", service_id))
        answers = cast("list[dict[bytes, bytes]]", await pipeline.execute()) if services else []
        return [review for rows in answers for review in _readable(rows)]

    async def add(self, service_id: str, review: Review, most: int = MOST_REVIEWS) -> bool:
        """Keep a review in place of the one with its id; whether there was room for it."""
        (kept,) = await self._add.call(
            self._redis, [([key("rules", service_id)], [review.id, _encode(review), most])]
        )
        return bool(kept)

    async def remove(self, service_id: str, review_id: str) -> bool:
        """Forget a review; whether there was one."""
        return bool(await self._redis.hdel(key("rules", service_id), review_id))


def _readable(rows: dict[bytes, bytes]) -> list[Review]:
    """What this version can read of what was kept: another one may have written in another way."""
    return sorted(_each(rows.values()), key=lambda review: (review.created_us, review.id))


def _each(documents: Iterable[bytes]) -> Iterable[Review]:
    for document in documents:
        try:
            yield _decode(document)
        except msgspec.MsgspecError:
            continue
