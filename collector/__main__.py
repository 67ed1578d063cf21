"""``python -m collector``: settings → objects → serve until SIGTERM or SIGINT, then drain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

from collector.clusters import Clusters
from collector.intake import Intake
from collector.listener import Listener
from collector.metrics import Metrics
from collector.posts import Posts
from collector.redaction import Redaction
from collector.settings import CollectorSettings
from collector.sink import Sink
from mirrordiff.process import http, logs
from mirrordiff.process.redis import UNAVAILABLE, UnsuitableRedis, check_suitable, connect, redact_url
from mirrordiff.process.settings import SettingsError, load
from mirrordiff.process.tls import Tls, tls

EXIT_USAGE = 3
EXIT_UNREACHABLE = 4

log = logs.logger("collector")


async def run(
    settings: CollectorSettings, redaction: Redaction, clusters: Clusters, secured: Tls | None
) -> None:
    """Serve until told to stop. Redis may come and go; the address must be free."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = Metrics()
    async with contextlib.AsyncExitStack() as stack:
        redis = connect(settings.redis_url, name="collector")
        stack.push_async_callback(redis.aclose)
        with contextlib.suppress(*UNAVAILABLE):
            await check_suitable(redis)
        sink = Sink(redis, settings, metrics)

        async def ready() -> str:
            return "" if sink.available else "Redis does not answer"

        intake = Intake(sink, redaction, settings.body_cap, metrics)
        listener = Listener(intake, clusters, settings.exchange_time)
        await listener.start(settings.collector_grpc, secured)
        writer = asyncio.create_task(sink.run(), name="sink")
        app = http.health_app(metrics.registry, ready, Posts(intake, settings.post_cap).route)
        await stack.enter_async_context(http.serve(app, settings.collector_http, secured=secured))
        if settings.collector_health is not None:
            health = http.health_app(metrics.registry, ready)
            await stack.enter_async_context(http.serve(health, settings.collector_health))
        log.info(
            "collector_ready",
            grpc=str(settings.collector_grpc),
            http=str(settings.collector_http),
            redis=redact_url(settings.redis_url),
            tls=secured is not None,
        )
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((stopped, writer), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        await listener.stop(grace=1)
        sink.close()
        await asyncio.wait_for(writer, timeout=10)
        log.info("collector_stopped", kept=sum(metrics.kept.values()), dropped=sum(metrics.dropped.values()))


def main() -> int:
    """Run the collector; returns the process's exit code."""
    try:
        settings = load(CollectorSettings, os.environ)
        redaction = settings.redaction()
        clusters = Clusters(settings.clusters)
        secured = tls(settings)
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"mirrordiff collector: {error}\n")
        return EXIT_USAGE
    logs.configure(settings.log_level)
    try:
        asyncio.run(run(settings, redaction, clusters, secured))
    except (UnsuitableRedis, http.AddressInUse) as error:
        log.error("cannot_start", reason=str(error))  # noqa: TRY400
        return EXIT_USAGE if isinstance(error, UnsuitableRedis) else EXIT_UNREACHABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
