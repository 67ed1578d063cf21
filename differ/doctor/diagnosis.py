"""From what was observed to what is wrong. Pure: the same signs give the same findings, worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from differ.doctor import causes
from differ.doctor.observe import Observed, ServiceSigns
from differ.store.installation import Server

LAG_S = 30
"""Seconds that judging may be behind: a gate is INCONCLUSIVE beyond."""

IDLE_S = 600
MEMORY = 0.8
ODD = 0.01
"""The share of pairs from which on skips and losses are worth a word."""

PAIRED = 0.95
OLDEST = (7, 0)


class Level(IntEnum):
    """How bad a finding is."""

    WRONG = 0
    """Evidence is lost, or none can come about."""
    UNSURE = 1
    """It may be meant, or nothing is known."""
    FINE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. ``topic`` is redis, workers, losses or a service's name; ``cause`` the likely one."""

    level: Level
    topic: str
    message: str
    cause: str = ""


def diagnose(seen: Observed) -> list[Finding]:
    """Everything that can be said, the worst first and else in the order in which captures travel."""
    found = [*_redis(seen), *_workers(seen), *_losses(seen), *_services(seen)]
    return sorted(found, key=lambda finding: finding.level)


def _redis(seen: Observed) -> Iterator[Finding]:
    if not seen.servers:
        yield Finding(
            Level.UNSURE, "redis", "answers, and does not say what it is", "its user may not call INFO"
        )
        return
    for server in seen.servers:
        faults = list(_server(server, seen))
        yield from faults
        if not faults:
            bound = f" of {_mib(server.most_memory)}" if server.most_memory else ""
            yield Finding(
                Level.FINE, "redis", f"{server.product}, {server.policy}, {_mib(server.memory)}{bound} used"
            )


def _server(server: Server, seen: Observed) -> Iterator[Finding]:
    if server.version and server.version[:2] < OLDEST:
        yield Finding(
            Level.WRONG, "redis", f"{server.product} is too old", "Redis 7.0 and Valkey 8 are new enough"
        )
    if server.role and server.role != "master":
        yield Finding(
            Level.WRONG,
            "redis",
            "this is a replica, which takes no writes",
            "name the master, or Sentinel: redis+sentinel://host:26379/name",
        )
    if server.cluster and not seen.cluster_url:
        yield Finding(
            Level.WRONG, "redis", "this is a node of a cluster", "write the URL as redis+cluster://…"
        )
    if server.policy.startswith("allkeys-"):
        yield Finding(
            Level.WRONG,
            "redis",
            f"maxmemory-policy {server.policy} may evict a whole stream or tally",
            "set it to volatile-ttl or noeviction",
        )
    if server.evicted:
        yield Finding(
            Level.WRONG,
            "redis",
            f"{server.evicted} keys have been evicted since the server was started",
            "it is too small for what is captured: see the page on capacity",
        )
    if server.most_memory and server.memory > MEMORY * server.most_memory:
        yield Finding(
            Level.WRONG,
            "redis",
            f"{_mib(server.memory)} of {_mib(server.most_memory)} are used",
            "full, it takes no captures any more (noeviction) or drops the oldest (volatile-ttl)",
        )
    if server.append_only:
        yield Finding(
            Level.UNSURE,
            "redis",
            "an append-only file is written",
            "captured bodies are on its disk, in the clear; mirrordiff does not need it",
        )


def _workers(seen: Observed) -> Iterator[Finding]:
    behind = f"{seen.lag.pairs} entries wait, the oldest for {seen.lag.oldest_age_s:.0f} s"
    known = seen.workers
    late = seen.lag.oldest_age_s > LAG_S
    if known is not None and known.most == 0:
        level = Level.WRONG if seen.lag.pairs else Level.UNSURE
        yield Finding(level, "workers", f"no worker is there; {behind}", "start `mirrordiff worker`")
    elif late:
        yield Finding(
            Level.WRONG,
            "workers",
            behind,
            "workers are too few, or stand still: look at their CPU and /readyz, and add some",
        )
    else:
        count = "" if known is None else f"{known.most} there; "
        yield Finding(
            Level.FINE, "workers", f"{count}{behind}" if seen.lag.pairs else f"{count}nothing waits"
        )


def _losses(seen: Observed) -> Iterator[Finding]:
    pairs = {signs.service: signs.pairs for signs in seen.services}
    for (service, reason), count in sorted(seen.losses.items(), key=lambda item: -item[1]):
        # Left out on purpose, and both sides alike: fewer pairs, and none of them wrong.
        much = reason != "sampled_out" and count > ODD * pairs.get(service, 0)
        yield Finding(
            Level.WRONG if much else Level.UNSURE,
            "losses",
            f"{count} captures of {service or 'no known service'} were not kept: {reason}",
            causes.LOSSES.get(reason, ""),
        )


def _services(seen: Observed) -> Iterator[Finding]:
    if not seen.services:
        nothing = "nothing has been judged yet"
        if seen.lag.pairs or seen.losses:
            yield Finding(Level.UNSURE, "services", nothing)
        else:
            yield Finding(
                Level.UNSURE,
                "services",
                nothing,
                "no proxy ships captures: look at mirrordiff_open_streams of the collectors, and at "
                "envoy_cluster_upstream_cx_connect_fail of the proxies; or MIRRORDIFF_CLUSTERS names none of "
                "a gateway's clusters (mirrordiff_exchanges_not_named_total)",
            )
    primaries = [signs.service for signs in seen.services if signs.roles == ("primary",)]
    shadows = [signs.service for signs in seen.services if signs.roles == ("shadow",)]
    for primary, shadow in zip(primaries, shadows, strict=False):
        yield Finding(Level.UNSURE, primary, f"{primary} and {shadow} do not meet", causes.TWO_NAMES)
    for signs in seen.services:
        faults = list(_service(signs))
        yield from faults
        if not faults:
            yield Finding(
                Level.FINE, signs.service, f"{_seen(signs)}; {signs.pairs} pairs of {signs.candidate}"
            )


def _service(signs: ServiceSigns) -> Iterator[Finding]:
    name, roles = signs.service, signs.roles
    if not signs.pairs:
        match "primary" in roles, "shadow" in roles:
            case True, True:
                yield Finding(Level.WRONG, name, f"{_seen(signs)}, and nothing pairs", causes.NOTHING_SHARED)
            case True, False:
                yield Finding(Level.WRONG, name, f"{_seen(signs)} alone", causes.ONLY_PRIMARY)
            case False, True:
                yield Finding(Level.WRONG, name, f"{_seen(signs)} alone", causes.ONLY_SHADOW)
            case _:
                yield Finding(Level.UNSURE, name, "known, and no capture of it is counted")
        return
    alone = signs.alone("shadow")
    if alone > (1 - PAIRED) * (signs.pairs + alone):
        late = signs.unpaired["shadow", "late"] > alone / 2
        cause = causes.LATE if late else causes.SHADOWS_ALONE
        yield Finding(Level.WRONG, name, f"{alone} answers of the shadow found no primary's", cause)
    late_primaries = signs.unpaired["primary", "late"]
    if late_primaries > ODD * signs.pairs:
        yield Finding(
            Level.WRONG, name, f"{late_primaries} answers of the primary came too late", causes.LATE
        )
    for reason, count in signs.skipped.most_common():
        if count > ODD * signs.pairs:
            yield Finding(
                Level.UNSURE,
                name,
                f"{count} of {signs.pairs} pairs could not be compared: {reason}",
                causes.SKIPPED.get(reason, ""),
            )
    if signs.candidate in {"unnamed", "unseen"}:
        yield Finding(
            Level.UNSURE,
            name,
            "the shadow does not say which build it is: builds are judged together",
            "give its log name a version (shadow/service/version), or its pods a label version",
        )
    if signs.idle_s > IDLE_S:
        yield Finding(
            Level.UNSURE, name, f"nothing of it has been judged for {signs.idle_s / 60:.0f} minutes"
        )


def _seen(signs: ServiceSigns) -> str:
    primaries = signs.alone("primary")
    share = f" ({primaries} primaries were not mirrored or stayed alone)" if primaries and signs.pairs else ""
    return f"captured: {', '.join(signs.roles)}{share}"


def _mib(count: int) -> str:
    return f"{count / 1024**2:,.0f} MiB"
