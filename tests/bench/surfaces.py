"""How long a page, a list and a verdict take on a session with 1,000 signatures, 100,000 kept diffs and
100,000 pairs: 16 examples of each signature, and what signatures that are no longer counted had.

CPU is that of the API and of the client that asks, both in this process; the slowest asked first.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path

import msgspec

from differ.api.fresh import Age
from differ.core.examine import examine, signatures_shown
from differ.local import binaries
from differ.store.records import KeptDiff, encode_diff, encode_line, kept_finding
from differ.store.settlement import MOST_KEPT, SessionId, Settlement
from mirrordiff.process import logs
from mirrordiff.process.redis import Client, connect
from mirrordiff.redis_keys import BY_NAME, partition_key
from tests.api.conftest import running
from tests.api.seeding import Seed
from tests.waiting import eventually

ENDPOINTS, FIELDS, ROUNDS = 50, 20, 20
PAIRS = 100_000

ASKED = (
    ("report page", "/services/orders/sessions/v2"),
    ("report page, all endpoints", "/services/orders/sessions/v2?show=all"),
    ("page to keep, as one file", "/services/orders/sessions/v2/report.html"),
    ("verdict", "/v1/services/orders/gates/default/verdict"),
    ("50 signatures", "/v1/services/orders/sessions/v2/signatures"),
    ("1,000 signatures", "/v1/services/orders/sessions/v2/signatures?pageSize=1000"),
    ("50 diffs", "/v1/services/orders/sessions/v2/diffs"),
    ("50 diffs with bodies", "/v1/services/orders/sessions/v2/diffs?view=FULL"),
    ("50 diffs of a filter over all", "/v1/services/orders/sessions/v2/diffs?filter=method%20%3D%20GET"),
    ("50 diffs in another order", "/v1/services/orders/sessions/v2/diffs?orderBy=path"),
)


def main() -> None:
    """Print the table."""
    logs.configure("warning")  # not a line for each body shown
    asyncio.run(_run())


async def _run() -> None:
    with tempfile.TemporaryDirectory(prefix="mirrordiff-bench-") as folder:
        socket = Path(folder) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        with subprocess.Popen(  # noqa: ASYNC220  # once, before anything is measured
            [binaries.redis_server(), *options], cwd=folder, stdout=subprocess.DEVNULL
        ) as server:
            try:
                client = connect(f"unix://{socket}", name="bench")

                async def answers() -> bool:
                    return socket.exists() and bool(await client.ping())

                await eventually(answers, "Redis answers")
                kept = await _seed(client)
                print(f"{ENDPOINTS * FIELDS:,} signatures, {kept:,} kept diffs, {PAIRS:,} pairs")
                print(f"\n{'asked for':<30} {'median':>9} {'slowest':>9} {'CPU':>9} {'size':>9}")
                async with running(client, age=Age()) as api:
                    for name, path in ASKED:
                        times: list[float] = []
                        cpu: list[float] = []
                        for _ in range(ROUNDS):
                            started, used = time.perf_counter(), time.process_time()
                            answer = await api.http.get(path, timeout=60)
                            times.append(time.perf_counter() - started)
                            cpu.append(time.process_time() - used)
                            assert answer.status_code == 200, answer.text
                        kilobytes = len(answer.content) / 1024
                        median, slowest = statistics.median(times) * 1000, max(times) * 1000
                        used = statistics.median(cpu) * 1000
                        figures = f"{median:6.0f} ms {slowest:6.0f} ms {used:6.1f} ms {kilobytes:6.0f} KB"
                        print(f"{name:<30} {figures}")
                await client.aclose()
            finally:
                server.terminate()


async def _seed(client: Client) -> int:
    """A tally of all signatures over all partitions, and 16 examples of each."""
    settlement, session = Settlement(client), SessionId("orders", "v2")
    seed = Seed()
    now_us = seed.started_us + 600_000_000
    for at_us in (seed.started_us, now_us):
        await settlement.register(session, now_us=at_us, primary_versions=["v1"], epoch="e1", rules=0)
    for endpoint in range(ENDPOINTS):
        fields = {f"field_{number}": number for number in range(FIELDS)}
        seed.pair(
            {**fields, "padding": "x" * 1500},
            {**{name: value + 1 for name, value in fields.items()}, "padding": "x" * 1500},
            endpoint=f"GET /things{endpoint}/{{id}}",
        )
    kept = 0
    for number, (pair, captures) in enumerate(seed.pairs):
        found = examine(pair, seed.rules)
        shown = signatures_shown(pair, found.outcome)
        raw = [capture.SerializeToString() for capture in captures]
        for partition in range(16):
            pipeline = client.pipeline(transaction=False)
            name = partition_key("tally", partition, session.key, "e1")
            for counter, count in found.counts.items():
                pipeline.hincrby(name, counter, count)
            # The rest of the pairs are the same, and spread over the classes of requests.
            for request in range(8):
                pipeline.hincrby(name, f"n\t{pair.endpoint}\t{request}", PAIRS // ENDPOINTS // 16 // 8)
            pipeline.expire(name, BY_NAME["tally"].ttl or 0)
            await pipeline.execute()
            keeping: list[Coroutine[None, None, None]] = []
            for finding, signature in shown:
                diff = KeptDiff(
                    id=f"{kept:015x}{partition:x}",
                    at_us=captures[0].started_us,
                    service=pair.service,
                    candidate=pair.candidate,
                    endpoint=pair.endpoint,
                    method=pair.method,
                    path=pair.path,
                    request_id=f"req-{number}",
                    outcome=found.outcome.result,
                    findings=(kept_finding(finding, signature),),
                    primary=raw[0],
                    shadow=raw[1],
                )
                keeping.append(settlement.keep(partition, session.key, diff, [signature]))
                kept += 1
            await asyncio.gather(*keeping)
    return await _fill(client, session, diff, kept)


async def _fill(client: Client, session: SessionId, like: KeptDiff, kept: int) -> int:
    """As many more diffs as may be kept, with short bodies."""
    short = msgspec.structs.replace(like, primary=b"", shadow=b"", findings=())
    for partition in range(16):
        pipeline = client.pipeline(transaction=False)
        listed = partition_key("kept", partition, session.key)
        for _ in range(await client.zcard(listed), MOST_KEPT):
            diff = msgspec.structs.replace(short, id=f"{kept:015x}{partition:x}")
            name = partition_key("diff", partition, session.key, diff.id)
            pipeline.set(name, encode_diff(diff), ex=BY_NAME["diff"].ttl)
            pipeline.zadd(listed, {encode_line(diff, ()): 0})
            kept += 1
        await pipeline.execute()
    return kept
