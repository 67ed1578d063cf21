"""What is to be judged: entries of the ready streams, each delivered to one worker at a time.

An entry is owed until it is settled. One that a worker took and did not settle, because it died,
is delivered again to another once it has been idle for long enough.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import msgspec
from redis.exceptions import ResponseError

from differ.store.scripts import script
from mirrordiff.process.redis import BLOCK_MS, Client, code, is_cluster
from mirrordiff.redis_keys import GROUP, PARTITIONS, partition_key

MOST_DELIVERIES: Final = 4
"""An entry that was delivered this often and never settled takes workers down: it is given up."""

POLL_S: Final = 0.02
"""Between two looks at the streams of a cluster that had nothing: far below the time a proxy gathers for."""


class Delivery(msgspec.Struct, frozen=True):
    """One entry. ``kind`` and ``records`` (by role letter) as the pairing script has written them."""

    partition: int
    entry_id: bytes
    kind: bytes
    primary: bytes
    shadow: bytes
    control: bytes
    given_up: bool = False


class Deliveries:
    """Reads as one consumer of the group. ``blocking`` is a client made for blocking reads."""

    def __init__(self, redis: Client, blocking: Client, consumer: str) -> None:
        self._redis = redis
        self._blocking = blocking
        self._consumer = consumer
        self._streams = {partition_key("ready", number).encode(): number for number in range(PARTITIONS)}
        self._open = script("open")

    async def open(self) -> None:
        """Join the group, and make it wherever it is missing, from the first entry on. Idempotent."""
        await self._open.call(self._redis, [([stream], [GROUP, self._consumer]) for stream in self._streams])

    async def close(self) -> None:
        """Leave the group, unless something is still owed: that must stay for others to claim."""
        for stream in self._streams:
            try:
                owed = await self._redis.xpending_range(
                    stream, GROUP, min="-", max="+", count=1, consumername=self._consumer
                )
                if not owed:
                    await self._redis.xgroup_delconsumer(stream, GROUP, self._consumer)
            except ResponseError as error:
                _unless_no_group(error)

    async def read(self, most_per_stream: int) -> list[Delivery]:
        """New entries; empty after BLOCK_MS without any. Raises as redis-py does while Redis is away."""
        try:
            if is_cluster(self._redis):
                return await self._read_each(most_per_stream)
            answer = await self._blocking.xreadgroup(
                GROUP,
                self._consumer,
                dict.fromkeys(self._streams, ">"),
                count=most_per_stream,
                block=BLOCK_MS,
            )
        except ResponseError as error:
            _unless_no_group(error)
            await self.open()  # a failover can lose a group that was made a moment before
            return []
        return self._deliveries(answer)

    async def _read_each(self, most_per_stream: int) -> list[Delivery]:
        """As ``read``, without waiting: one call cannot block on streams of several slots."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream in self._streams:
            pipeline.xreadgroup(GROUP, self._consumer, {stream: ">"}, count=most_per_stream)
        found = [item for answer in await pipeline.execute() for item in self._deliveries(answer)]
        if not found:
            await asyncio.sleep(POLL_S)
        return found

    def _deliveries(self, answer: object) -> list[Delivery]:
        found: list[Delivery] = []
        for stream, entries in cast(
            "dict[bytes, list[tuple[bytes, dict[bytes, bytes]]]]", answer or {}
        ).items():
            number = self._streams[stream]
            found += [_delivery(number, entry_id, fields) for entry_id, fields in entries]
        return found

    async def reclaim(self, idle_s: float, most_per_stream: int) -> list[Delivery]:
        """Entries that another worker took at least ``idle_s`` seconds ago and has not settled."""
        found: list[Delivery] = []
        for stream, number in self._streams.items():
            try:
                answer = await self._redis.xautoclaim(
                    stream, GROUP, self._consumer, round(idle_s * 1000), "0-0", count=most_per_stream
                )
            except ResponseError as error:
                _unless_no_group(error)
                continue  # nothing can be owed to a group that is gone; the next read makes it anew
            entries = [entry for entry in answer[1] if entry[1]]
            if not entries:
                continue
            owed = await self._redis.xpending_range(
                stream,
                GROUP,
                min=entries[0][0],
                max=entries[-1][0],
                count=len(entries),
                consumername=self._consumer,
            )
            often = {row["message_id"] for row in owed if int(row["times_delivered"]) > MOST_DELIVERIES}
            found += [
                _delivery(number, entry_id, fields, given_up=entry_id in often)
                for entry_id, fields in entries
            ]
        return found


def _unless_no_group(error: ResponseError) -> None:
    if code(error) != "NOGROUP":
        raise error


def _delivery(
    partition: int, entry_id: bytes, fields: dict[bytes, bytes], *, given_up: bool = False
) -> Delivery:
    return Delivery(
        partition,
        entry_id,
        fields.get(b"k", b""),
        fields.get(b"p", b""),
        fields.get(b"s", b""),
        fields.get(b"c", b""),
        given_up,
    )
