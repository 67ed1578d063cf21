"""The signs of each trouble, and the cause that the doctor names for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from differ.doctor import causes
from differ.doctor.diagnosis import Finding, Level, diagnose
from differ.doctor.observe import Observed, ServiceSigns
from differ.store.evidence import Lag
from differ.store.installation import Server, Workers

GIB = 1024**3
REDIS = Server(
    version=(7, 2, 4),
    product="Valkey 9.1.0",
    role="master",
    policy="volatile-ttl",
    memory=GIB // 4,
    most_memory=GIB,
)
SHOP = ServiceSigns("shop", "v2", idle_s=2, pairs=1000, unpaired=Counter({("primary", "expired"): 990}))
WELL = Observed(servers=[REDIS], lag=Lag(12, 0.4), workers=Workers(16, 2, 8), losses={}, services=[SHOP])


def found(seen: Observed, level: Level = Level.WRONG) -> list[Finding]:
    return [finding for finding in diagnose(seen) if finding.level is level]


def test_a_healthy_installation_is_fine_throughout() -> None:
    findings = diagnose(WELL)
    assert {finding.level for finding in findings} == {Level.FINE}
    assert [finding.topic for finding in findings] == ["redis", "workers", "shop"]


def test_a_share_of_requests_that_is_mirrored_is_no_fault() -> None:
    """Half the primaries stay alone where half the requests are mirrored."""
    (finding,) = [finding for finding in diagnose(WELL) if finding.topic == "shop"]
    assert "990 primaries were not mirrored" in finding.message


@pytest.mark.parametrize(
    ("server", "message", "cause"),
    [
        (replace(REDIS, policy="allkeys-lru"), "allkeys-lru", "volatile-ttl"),
        (replace(REDIS, version=(6, 2, 1), product="Redis 6.2.1"), "too old", "7.0"),
        (replace(REDIS, role="slave"), "replica", "redis+sentinel://"),
        (replace(REDIS, cluster=True), "cluster", "redis+cluster://"),
        (replace(REDIS, evicted=7), "7 keys", "too small"),
        (replace(REDIS, memory=GIB * 9 // 10), "922 MiB of 1,024 MiB", "noeviction"),
    ],
)
def test_redis(server: Server, message: str, cause: str) -> None:
    (finding,) = found(replace(WELL, servers=[server]))
    assert finding.topic == "redis"
    assert message in finding.message
    assert cause in finding.cause


def test_a_cluster_is_asked_node_by_node() -> None:
    nodes = [replace(REDIS, cluster=True), replace(REDIS, cluster=True, evicted=3)]
    assert [finding.message[:6] for finding in found(replace(WELL, servers=nodes, cluster_url=True))] == [
        "3 keys"
    ]


def test_redis_that_writes_to_disk_or_hides_itself_is_worth_a_word() -> None:
    (disk,) = found(replace(WELL, servers=[replace(REDIS, append_only=True)]), Level.UNSURE)
    assert "in the clear" in disk.cause
    (hidden,) = found(replace(WELL, servers=[]), Level.UNSURE)
    assert "INFO" in hidden.cause


@pytest.mark.parametrize(
    ("lag", "workers", "level"),
    [
        (Lag(900, 31), Workers(16, 2, 8), Level.WRONG),
        (Lag(900, 29), Workers(16, 2, 8), Level.FINE),
        (Lag(900, 31), None, Level.WRONG),
        (Lag(1, 0.1), Workers(16, 0, 0), Level.WRONG),
        (Lag(1, 0.1), Workers(0, 0, 0), Level.WRONG),
        (Lag(0, 0), Workers(0, 0, 0), Level.UNSURE),
        (Lag(0, 0), None, Level.FINE),
    ],
)
def test_workers(lag: Lag, workers: Workers | None, level: Level) -> None:
    (finding,) = [
        each for each in diagnose(replace(WELL, lag=lag, workers=workers)) if each.topic == "workers"
    ]
    assert finding.level is level


@pytest.mark.parametrize("reason", causes.LOSSES)
def test_each_loss_has_a_cause(reason: str) -> None:
    level = Level.UNSURE if reason == "sampled_out" else Level.WRONG
    (finding,) = found(replace(WELL, losses={("shop", reason): 500}), level)
    assert finding.cause == causes.LOSSES[reason]
    assert finding.message == f"500 captures of shop were not kept: {reason}"


def test_few_losses_are_told_and_no_alarm() -> None:
    seen = replace(
        WELL, losses={("shop", "queue_full"): 3, ("", "unknown_role"): 1, ("cart", "new_reason"): 1}
    )
    assert [finding.message for finding in found(seen, Level.UNSURE)] == [
        "3 captures of shop were not kept: queue_full"
    ]
    assert {finding.message for finding in found(seen)} == {
        "1 captures of no known service were not kept: unknown_role",
        "1 captures of cart were not kept: new_reason",
    }


def alone(service: str, **unpaired: int) -> ServiceSigns:
    """A service of which nothing has paired."""
    counts = Counter({(role, "expired"): count for role, count in unpaired.items()})
    return ServiceSigns(service, "v2", idle_s=1, unpaired=counts)


@pytest.mark.parametrize(
    ("signs", "cause"),
    [
        (alone("shop", primary=500), causes.ONLY_PRIMARY),
        (alone("shop", shadow=500), causes.ONLY_SHADOW),
        (alone("shop", primary=500, shadow=400), causes.NOTHING_SHARED),
        (replace(SHOP, unpaired=Counter({("shadow", "expired"): 60})), causes.SHADOWS_ALONE),
        (replace(SHOP, unpaired=Counter({("shadow", "late"): 60})), causes.LATE),
        (replace(SHOP, unpaired=Counter({("primary", "late"): 60})), causes.LATE),
    ],
)
def test_captures_without_twins(signs: ServiceSigns, cause: str) -> None:
    (finding,) = found(replace(WELL, services=[signs]))
    assert (finding.topic, finding.cause) == ("shop", cause)


def test_two_names_for_one_service() -> None:
    seen = replace(WELL, services=[alone("shop", primary=9), alone("shop-v2", shadow=9)])
    (finding,) = found(seen, Level.UNSURE)
    assert (finding.message, finding.cause) == ("shop and shop-v2 do not meet", causes.TWO_NAMES)


def test_what_is_not_compared_and_who_is_not_known() -> None:
    signs = replace(SHOP, candidate="unnamed", idle_s=3600, skipped=Counter(truncated=20, upgrade=3))
    messages = [finding.message for finding in found(replace(WELL, services=[signs]), Level.UNSURE)]
    assert messages == [
        "20 of 1000 pairs could not be compared: truncated",
        "the shadow does not say which build it is: builds are judged together",
        "nothing of it has been judged for 60 minutes",
    ]


def test_nothing_captured_at_all() -> None:
    (finding,) = found(replace(WELL, services=[], lag=Lag(0, 0)), Level.UNSURE)
    assert finding.cause.startswith("no proxy ships captures")


def test_the_worst_comes_first() -> None:
    seen = replace(WELL, servers=[replace(REDIS, append_only=True)], services=[alone("shop", primary=1)])
    levels = [finding.level for finding in diagnose(seen)]
    assert levels == sorted(levels)
    assert levels[0] is Level.WRONG
