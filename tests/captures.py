"""Captured pairs in a real Redis, put there by the collector's own sink."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from collector.metrics import Metrics
from collector.pairing import pair_key
from collector.settings import CollectorSettings
from collector.sink import Sink
from mirrordiff.redis_keys import PARTITIONS, partition_key
from mirrordiff.v1.capture_pb2 import END_COMPLETE, ROLE_CONTROL, ROLE_PRIMARY, ROLE_SHADOW, Capture, Role

ROLES = {"primary": ROLE_PRIMARY, "shadow": ROLE_SHADOW, "control": ROLE_CONTROL}
JSON_HEADERS = b"content-type: application/json"


@dataclass(frozen=True)
class Half:
    """One response to request ``number``. ``body`` is JSON data, or bytes as they are."""

    number: int
    role: str
    body: object = None
    status: int = 200
    path: str = ""
    service: str = "orders"
    version: str = ""
    headers: bytes = JSON_HEADERS
    traceparent: str = ""
    started_us: int = 1_795_000_000_000_000

    def capture(self) -> Capture:
        role: Role.ValueType = ROLES[self.role]
        body = self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)
        return Capture(
            id=b"%11d%1d" % (self.number, role),
            role=role,
            service=self.service,
            version=self.version or {"primary": "v1", "shadow": "v2", "control": "v1"}[self.role],
            request_id=f"request-{self.number}",
            method="GET",
            path=self.path or f"/orders/{self.number}",
            status=self.status,
            headers=self.headers,
            body=body,
            end=END_COMPLETE,
            started_us=self.started_us + self.number * 1000,
            duration_us=10_000 + role * 1000,
            body_size=len(body),
            traceparent=self.traceparent,
        )


def pair(number: int, primary: object, shadow: object, **both: Any) -> list[Half]:
    """Both halves of one request."""
    return [Half(number, "primary", primary, **both), Half(number, "shadow", shadow, **both)]


async def write(client: Any, halves: Iterable[Half], **settings: Any) -> Metrics:
    """Write halves as a collector would; returns when Redis has them."""
    metrics = Metrics()
    sink = Sink(client, CollectorSettings(**settings), metrics)
    writer = asyncio.create_task(sink.run())
    for half in halves:
        capture = half.capture()
        key = pair_key(half.service.encode(), b"%d" % half.number, b"", b"", b"")
        assert key is not None
        assert sink.offer(key, capture)
    sink.close()
    await writer
    return metrics


async def drained(client: Any) -> bool:
    """Whether nothing is left to be judged."""
    return not any([await client.xlen(partition_key("ready", number)) for number in range(PARTITIONS)])
