"""Evidence in Redis as the workers write it: captures judged by the core, settled and kept by the store."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.exceptions import ResponseError

from differ.core.examine import examine, signatures_shown, worth_keeping
from differ.core.model import Outcome
from differ.core.pair import Arrival, Pair
from differ.core.rules import NO_RULES, RuleSet
from differ.store.records import KeptDiff, kept_finding, response_of
from differ.store.settlement import Judged, SessionId, Settlement
from mirrordiff.process.redis import Client
from mirrordiff.redis_keys import GROUP, partition_key, resource_id
from mirrordiff.v1.capture_pb2 import END_COMPLETE, ROLE_CONTROL, ROLE_PRIMARY, ROLE_SHADOW, Capture, Role

START_US = 1_790_000_000_000_000
"""When the seeded sessions begin."""

Headers = dict[str, str]


@dataclass
class Seed:
    """Pairs of one session, to be written at once. Each call of `pair` is one mirrored request."""

    service: str = "orders"
    candidate: str = "v2"
    started_us: int = START_US
    rules: RuleSet = NO_RULES
    every_us: int = 1000
    pairs: list[tuple[Pair, list[Capture]]] = field(default_factory=list)

    def pair(
        self,
        primary: object,
        shadow: object,
        *,
        endpoint: str = "GET /orders/{id}",
        path: str = "",
        statuses: tuple[int, int] = (200, 200),
        headers: tuple[Headers, Headers] = ({}, {}),
        control: object = None,
        durations_us: tuple[int, int] = (21_000, 23_000),
        versions: tuple[str, str] | None = None,
        traceparents: tuple[str, str] = ("", ""),
    ) -> None:
        """One request and what both answered. A body that is no bytes is sent as JSON."""
        number = len(self.pairs)
        method = endpoint.split(" ", maxsplit=1)[0]
        path = path or f"/orders/{number}"
        bodies = [primary, shadow] if control is None else [primary, shadow, control]
        names = versions or ("v1", self.candidate)
        captures = [
            Capture(
                id=number.to_bytes(11, "big") + bytes([index]),
                role=role,
                service=self.service,
                version=names[role is ROLE_SHADOW],
                request_id=f"req-{number:06}",
                method=method,
                path=path,
                authority="orders.example",
                status=statuses[role is ROLE_SHADOW],
                headers=_header_block(body, headers[role is ROLE_SHADOW]),
                body=_bytes(body),
                body_size=len(_bytes(body)),
                end=END_COMPLETE,
                started_us=self.started_us + number * self.every_us,
                duration_us=durations_us[role is ROLE_SHADOW],
                traceparent=traceparents[role is ROLE_SHADOW],
            )
            for index, (role, body) in enumerate(zip(_ROLES, bodies, strict=False))
        ]
        responses = [response_of(capture) for capture in captures]
        arrival = Arrival(captures[0].started_us, (captures[0].request_id,))
        self.pairs.append(
            (
                Pair(
                    service=self.service,
                    candidate=self.candidate,
                    primary_version=names[0],
                    endpoint=endpoint,
                    request_id=captures[0].request_id,
                    method=method,
                    path=path,
                    primary=responses[0],
                    shadow=responses[1],
                    control=responses[2] if len(responses) > 2 else None,
                    primary_arrival=arrival,
                    shadow_arrival=arrival,
                    control_arrival=arrival,
                    second=captures[0].started_us // 1_000_000,
                ),
                captures,
            )
        )

    def same(self, count: int, **options: str) -> None:
        """Pairs that are the same."""
        for _ in range(count):
            number = len(self.pairs)
            self.pair({"id": number, "total": 19.9}, {"id": number, "total": 19.9}, **options)  # type: ignore[arg-type]

    async def write(self, redis: Client, *, ended_us: int | None = None) -> None:
        """Write everything as workers do, the pairs as entries of the ready streams."""
        settlement = Settlement(redis)
        session = SessionId(self.service, self.candidate)
        ended_us = ended_us or self.started_us + 600_000_000
        versions = sorted({pair.primary_version for pair, _ in self.pairs})
        for now_us in (self.started_us, ended_us):
            await settlement.register(
                session, now_us=now_us, primary_versions=versions, epoch="e1", rules=len(self.rules.rules)
            )
        pipeline = redis.pipeline(transaction=False)
        for number in range(len(self.pairs)):
            pipeline.xadd(partition_key("ready", number % 16), {"p": b""})
        entries = await pipeline.execute()
        for partition in range(min(16, len(self.pairs))):
            stream = partition_key("ready", partition)
            with contextlib.suppress(ResponseError):  # another seed made it
                await redis.xgroup_create(stream, GROUP, "0")
            await redis.xreadgroup(GROUP, "seeding", {stream: ">"}, count=len(self.pairs))
        judged: list[Judged] = []
        for number, (pair, captures) in enumerate(self.pairs):
            found = examine(pair, self.rules)
            judged.append(Judged(number % 16, entries[number], session.key, "e1", found.counts))
            if worth_keeping(found.outcome):
                await _keep(settlement, number % 16, session, number, pair, captures, found.outcome)
        assert await settlement.settle(judged) == len(judged)

    @property
    def session(self) -> str:
        """The session's resource name."""
        return f"services/{resource_id(self.service)}/sessions/{resource_id(self.candidate)}"


_ROLES: Sequence[Role.ValueType] = (ROLE_PRIMARY, ROLE_SHADOW, ROLE_CONTROL)


async def _keep(
    settlement: Settlement,
    partition: int,
    session: SessionId,
    number: int,
    pair: Pair,
    captures: list[Capture],
    outcome: Outcome,
) -> None:
    shown = signatures_shown(pair, outcome)
    ids = list(dict.fromkeys(signature for _, signature in shown))
    if not settlement.example_wanted(partition, session.key, ids):
        return
    raw = [capture.SerializeToString() for capture in captures]
    diff = KeptDiff(
        id=f"{number:015x}{partition:x}",
        at_us=captures[0].started_us,
        service=pair.service,
        candidate=pair.candidate,
        endpoint=pair.endpoint,
        method=pair.method,
        path=pair.path,
        request_id=pair.request_id,
        outcome=outcome.result,
        findings=tuple(kept_finding(finding, signature) for finding, signature in shown),
        primary=raw[0],
        shadow=raw[1],
        control=raw[2] if len(raw) > 2 else b"",
        gap_us=pair.gap_us(),
    )
    await settlement.keep(partition, session.key, diff, ids)


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def _header_block(body: object, more: Headers) -> bytes:
    kind = {} if isinstance(body, bytes) else {"content-type": "application/json"}
    return "\r\n".join(f"{name}: {value}" for name, value in {**kind, **more}.items()).encode()


def planted(seed: Seed, *, pairs: int = 600) -> Seed:
    """A candidate with faults: a total as text, a new 500, a header gone; and a clock that is no fault."""
    for number in range(pairs):
        total = f"{number % 90}.90"
        before = {
            "id": number,
            "total": float(total),
            "currency": "EUR",
            "customer": {"name": "Ada Lovelace", "tier": "gold"},
            "items": [{"sku": f"A-{n}", "count": n, "price": 4.5} for n in range(3)],
            "served_at": (seed.started_us + number * seed.every_us + 20_000) // 1000 / 1000,
        }
        after = {**before, "served_at": (seed.started_us + number * seed.every_us + 22_500) // 1000 / 1000}
        if number % 10 == 3:
            after["total"] = total
        gone = {} if number % 25 == 7 else {"cache-control": "max-age=60"}
        seed.pair(before, after, headers=({"cache-control": "max-age=60"}, gone))
    for number in range(pairs // 3):
        broken = number % 30 == 4
        seed.pair(
            {"refunded": True},
            {"error": "division by zero"} if broken else {"refunded": True},
            endpoint="POST /orders/{id}/refund",
            path=f"/orders/{number}/refund",
            statuses=(200, 500 if broken else 200),
        )
    for number in range(pairs // 3):
        seed.pair({"ok": True}, {"ok": True}, endpoint="GET /health", path="/health")
        _ = number
    return seed
