"""``mirrordiff doctor``: what is wrong with an installation, seen from its Redis."""

from __future__ import annotations

import asyncio
import json
import sys

import click

from differ.cli import Exit, Unreachable
from differ.cli.comparison_text import echo, harmless
from differ.doctor.diagnosis import Finding, Level, diagnose
from differ.doctor.observe import Observed, observe
from mirrordiff.process.redis import UNAVAILABLE, RedisError, code, connect, is_cluster, redact_url

_GLYPHS = {Level.WRONG: "✗", Level.UNSURE: "?", Level.FINE: "✓"}
_EXITS = {Level.WRONG: Exit.FAIL, Level.UNSURE: Exit.INCONCLUSIVE, Level.FINE: Exit.PASS}


@click.command()
@click.option("--redis", "url", envvar="MIRRORDIFF_REDIS_URL", default="redis://127.0.0.1:6379/0",
              show_default=True, metavar="URL", help="The Redis of the installation.")  # fmt: skip
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def doctor(url: str, output: str) -> Exit:
    """Say what is wrong with an installation, and what the likely cause is.

    Looks at Redis, the backlog, losses, and what has been captured of each service. The Redis user of
    the API is allowed everything that this needs.

    Exit code: 0 nothing is wrong, 1 something is, 2 something may be, 4 Redis cannot be reached.
    """
    findings = diagnose(asyncio.run(_observed(url)))
    for finding in findings:
        if output == "json":
            click.echo(json.dumps(_document(finding), ensure_ascii=False))
        else:
            _say(finding)
    return _EXITS[min(finding.level for finding in findings)]


async def _observed(url: str) -> Observed:
    try:
        redis = connect(url, name="doctor")
    except ValueError as error:
        raise click.UsageError(f"--redis: {error}") from None
    try:
        return await observe(redis, cluster_url=is_cluster(redis))
    except UNAVAILABLE as error:
        raise Unreachable(f"{redact_url(url)} does not answer ({type(error).__name__})") from None
    except RedisError as error:
        raise Unreachable(f"{redact_url(url)} refuses: {code(error)}") from None
    finally:
        await redis.aclose()


def _document(finding: Finding) -> dict[str, str]:
    return {
        "level": finding.level.name.lower(),
        "topic": finding.topic,
        "message": finding.message,
        "cause": finding.cause,
    }


def _say(finding: Finding) -> None:
    echo(harmless(f"{_GLYPHS[finding.level]} {finding.topic}: {finding.message}"), sys.stdout)
    if finding.cause:
        echo(harmless(f"    {finding.cause}"), sys.stdout)
