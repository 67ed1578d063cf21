"""Reading the diffs that are kept as examples: which there are, as they are listed, and the diffs themselves.

A page of the list costs what is on the page, however many diffs are kept: they are sorted by id, which
sorts by time, and a page is read from its place.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence

from differ.store.evidence import Session
from differ.store.records import KeptDiff, KeptLine, decode_diff, decode_line
from mirrordiff.process.redis import Client
from mirrordiff.redis_keys import PARTITIONS, partition_key


class Examples:
    """Reads. Lists may name a diff that has expired in the meantime."""

    def __init__(self, redis: Client) -> None:
        self._redis = redis

    async def of_signatures(self, session: Session, signatures: Sequence[str]) -> dict[str, list[str]]:
        """The kept diffs of these signatures, newest first. An id sorts by time."""
        if not signatures:
            return {}
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            pipeline.hmget(partition_key("examples", number, session.key), signatures)
        found: dict[str, list[str]] = {}
        for answer in await pipeline.execute():
            for signature, diff_id in zip(signatures, answer, strict=True):
                if diff_id is not None:
                    found.setdefault(signature, []).append(diff_id.decode())
        return {signature: sorted(ids, reverse=True) for signature, ids in found.items()}

    async def ids(self, session: Session, before: str, most: int) -> list[str]:
        """Ids of kept diffs, newest first, at most so many; older than ``before``, where one is given."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            name = partition_key("kept", number, session.key)
            end = f"({before}" if before else "+"
            pipeline.zrange(name, end, "-", desc=True, bylex=True, offset=0, num=most)
        found = ([_id(member) for member in answer] for answer in await pipeline.execute())
        return heapq.nlargest(most, (each for ids in found for each in ids))

    async def count(self, session: Session) -> int:
        """How many diffs are kept."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            pipeline.zcard(partition_key("kept", number, session.key))
        return sum(await pipeline.execute())

    async def lines(self, session: Session) -> list[KeptLine]:
        """Every kept diff as it is listed, newest first."""
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(PARTITIONS):
            pipeline.zrange(partition_key("kept", number, session.key), 0, -1)
        return await asyncio.to_thread(_lines, await pipeline.execute())

    async def diffs(self, session: Session, ids: Sequence[str]) -> list[KeptDiff]:
        """The kept diffs of these ids, in their order; those that have expired are left out."""
        pipeline = self._redis.pipeline(transaction=False)
        for diff_id in ids:
            pipeline.get(partition_key("diff", partition_of_diff(diff_id), session.key, diff_id))
        return [decode_diff(raw) for raw in await pipeline.execute() if raw is not None]


def _id(member: bytes) -> str:
    return member.partition(b"\n")[0].decode()


def _lines(answers: Sequence[Sequence[bytes]]) -> list[KeptLine]:
    return [decode_line(member) for member in sorted((m for a in answers for m in a), reverse=True)]


def partition_of_diff(diff_id: str) -> int:
    """A diff's partition stands at the end of its id, in hexadecimal."""
    return int(diff_id[-1], 16) % PARTITIONS
