"""Each process works with a Redis user of its own, and that user can do nobody else's work."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from redis.exceptions import NoPermissionError

from collector.server import METHOD
from differ.doctor.observe import observe
from differ.local.ports import free_ports
from differ.store.installation import Workers
from mirrordiff.process.redis import UNAVAILABLE, UnsuitableRedis, check_suitable, connect
from mirrordiff.redis_keys import GROUP, KEYS, key, partition_key
from tests.captures import pair, write
from tests.conftest import assert_only_known_keys
from tests.entries import entry, message, shipped
from tests.processes import Process, worker
from tests.servers import PRODUCTS, RedisServer
from tests.waiting import eventually

FILE = Path(__file__).parents[2] / "deploy/redis/users.acl"
PASSWORD = "a-password"
PROCESSES = ("collector", "worker", "api")


@pytest.fixture(params=PRODUCTS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    """A server with the users of the file, made ready for it as the guide says."""
    rules = FILE.read_text().replace(" reset on ", f" reset on >{PASSWORD} ")
    if request.param == "redis 7":
        rules = rules.replace(" +client|setinfo", "")
    users = tmp_path / "users.acl"
    users.write_text(rules)
    with RedisServer(tmp_path, "--aclfile", str(users), product=request.param) as running:
        yield running


@pytest.fixture
async def admin(server: RedisServer) -> AsyncIterator[Any]:
    """The operator's own client."""
    client = connect(server.url, name="tests")
    try:
        yield client
    finally:
        await client.aclose()


def as_user(server: RedisServer, name: str) -> str:
    """The URL for one of the users."""
    return f"unix://mirrordiff-{name}:{PASSWORD}@{server.socket}"


def batch(log_name: str, numbers: range, body: bytes) -> bytes:
    return message(log_name, [entry(shipped(body), pair=b"pair-%d" % number) for number in numbers])


async def refused(admin: Any) -> list[tuple[bytes, ...]]:
    """What Redis has not let anybody do."""
    rows = await admin.execute_command("ACL", "LOG")
    return [tuple(row[name] for name in (b"username", b"reason", b"object", b"context")) for row in rows]


async def test_the_whole_path_with_a_user_for_each_process(
    server: RedisServer, admin: Any, tmp_path: Path
) -> None:
    """Pairs, a control, responses that stay alone, losses, a verdict: and Redis refused nothing."""
    capture, health, judge, http, api_grpc = free_ports(5)
    collector: dict[str, object] = {
        "redis_url": as_user(server, "collector"),
        "collector_grpc": f"127.0.0.1:{capture}",
        "collector_http": f"127.0.0.1:{health}",
        "half_ttl": 1,
    }
    api: dict[str, object] = {
        "redis_url": as_user(server, "api"),
        "api_http": f"127.0.0.1:{http}",
        "api_grpc": f"127.0.0.1:{api_grpc}",
    }
    with (
        Process(["collector"], collector, tmp_path) as collecting,
        worker(as_user(server, "worker"), tmp_path, worker_http=f"127.0.0.1:{judge}") as judging,
        Process(["differ", "api"], api, tmp_path) as serving,
    ):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{capture}") as channel:
            for log_name, numbers, body in (
                ("control/shop/v1", range(40), b'{"total": 1}'),
                ("primary/shop/v1", range(60), b'{"total": 1}'),
                ("shadow/shop/v2", range(50), b'{"total": 2}'),
                ("nobody/shop/v2", range(5), b"{}"),
            ):
                call: Any = channel.stream_unary(METHOD)
                await call(iter([batch(log_name, numbers, body)]), wait_for_ready=True)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}") as client:

            async def counted() -> bool:
                assert await refused(admin) == []
                try:
                    answer = await client.get("/v1/services/shop/sessions/latest/verdict")
                    diffs = await client.get("/v1/services/shop/sessions/latest/diffs?view=FULL")
                except httpx.TransportError:
                    return False
                if answer.status_code != 200 or diffs.status_code != 200:
                    return False
                totals = answer.json()["totals"]
                alone = totals["unpaired"].get("primary", {}).get("expired")
                return bool(
                    (totals["different"], alone, len(diffs.json()["diffs"]) > 0) == ("50", "10", True)
                )

            await eventually(counted, lambda: judging.said()[-2000:] + serving.said()[-2000:])
        await eventually(lambda: admin.hgetall(key("losses")), "losses are told")
        assert [await each.stop() for each in (collecting, judging, serving)] == [0, 0, 0]
    assert await refused(admin) == []
    await assert_only_known_keys(admin)


READY, DUE, HALF = (partition_key(name, 3) for name in ("ready", "due", "half"))
TALLY, DIFF = (partition_key(name, 3, "shop/v2", "x") for name in ("tally", "diff"))

FOREIGN = {
    "collector": [
        ("XREADGROUP", "GROUP", GROUP, "me", "STREAMS", READY, ">"),
        ("XACK", READY, GROUP, "1-1"),
        ("XRANGE", READY, "-", "+"),
        ("GET", DIFF),
        ("HGETALL", TALLY),
        ("HINCRBY", TALLY, "n", "1"),
        ("HINCRBY", key("verdict", "shop/v2"), "n", "1"),
        ("HGETALL", key("losses")),
    ],
    "worker": [
        ("HSET", key("rules", "shop"), "r", "{}"),
        ("HSET", key("verdict", "shop/v2"), "default", "{}"),
        ("HGET", key("verdict", "shop/v2"), "default"),
        ("HINCRBY", key("losses"), "shop", "1"),
        ("GET", partition_key("complete", 3, "pair")),
    ],
    "api": [
        ("XADD", READY, "*", "k", "P"),
        ("XACK", READY, GROUP, "1-1"),
        ("XREADGROUP", "GROUP", GROUP, "me", "STREAMS", READY, ">"),
        ("GET", HALF + ":pair"),
        ("HSET", TALLY, "n", "1"),
        ("HSET", key("losses"), "shop", "1"),
        ("HSET", key("session", "shop/v2"), "candidate", "v3"),
        ("EXPIRE", DIFF, "1"),
        ("SET", DIFF, "x"),
    ],
    "keda": [
        ("XRANGE", READY, "-", "+"),
        ("XADD", READY, "*", "k", "P"),
        ("GET", DIFF),
        ("SCRIPT", "LOAD", "return 1"),
        ("XLEN", "another:stream"),
    ],
}
NOBODY = [
    ("FLUSHALL",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("CONFIG", "GET", "requirepass"),
    ("CONFIG", "SET", "maxmemory", "1"),
    ("ACL", "LIST"),
    ("MONITOR",),
    ("SHUTDOWN", "NOSAVE"),
    ("EVAL", "return 1", "0"),
    ("CLIENT", "KILL", "ID", "1"),
    ("PUBLISH", "channel", "x"),
    ("SET", "another:key", "x"),
]


@pytest.mark.parametrize("user", [*PROCESSES, "keda"])
async def test_nobody_can_do_anothers_work(user: str, server: RedisServer, admin: Any) -> None:
    await admin.xgroup_create(READY, GROUP, id="0", mkstream=True)
    client: Any = connect(as_user(server, user), name="test")
    try:
        for command in [*FOREIGN[user], *NOBODY]:
            with pytest.raises(NoPermissionError):
                await client.execute_command(*command)
    finally:
        await client.aclose()


async def test_a_script_may_do_no_more_than_its_caller(server: RedisServer) -> None:
    client: Any = connect(as_user(server, "api"), name="test")
    try:
        digest = await client.script_load("return redis.call('RENAME', KEYS[1], 'mine')")
        with pytest.raises(Exception, match=r"(?i)permission|ACL failure|can't run this command"):
            await client.evalsha(digest, 1, key("verdict", "shop/v2"))
    finally:
        await client.aclose()


async def test_keda_can_ask_for_the_backlog(server: RedisServer, admin: Any) -> None:
    await admin.xadd(READY, {"k": "P"})
    client: Any = connect(as_user(server, "keda"), name="test")
    try:
        assert await client.xlen(READY) == 1
    finally:
        await client.aclose()


async def test_nobody_gets_in_before_a_password_is_set(tmp_path: Path) -> None:
    (tmp_path / "users.acl").write_text(FILE.read_text())
    with RedisServer(tmp_path, "--aclfile", str(tmp_path / "users.acl")) as server:
        for name in (*PROCESSES, "keda"):
            client: Any = connect(as_user(server, name), name="test")
            with pytest.raises(Exception, match=r"(?i)WRONGPASS|invalid username-password"):
                await client.ping()
            await client.aclose()


def users() -> dict[str, list[str]]:
    """The rules of each user."""
    lines = [line.split() for line in FILE.read_text().splitlines()]
    return {words[1].removeprefix("mirrordiff-"): words[2:] for words in lines}


def allowed(rules: list[str], name: str, *, write: bool) -> bool:
    """Whether a pattern of these rules lets its user read, or write, a key."""
    wanted = ("~", "%RW~", "%W~") if write else ("~", "%RW~", "%R~")
    patterns = [rule[len(kind) :] for rule in rules for kind in wanted if rule.startswith(kind)]
    return any(re.fullmatch(re.escape(each).replace(r"\*", ".*"), name) for each in patterns)


async def test_every_command_is_in_the_oldest_server_promised(admin: Any) -> None:
    """That is Redis 7.0, but for the one word that the guide has taken out for it."""
    used = {rule[1:].encode() for rules in users().values() for rule in rules if rule.startswith("+")}
    used.remove(b"client|setinfo")
    admin.response_callbacks.clear()  # redis-py takes the answer for that of COMMAND
    documents = await admin.execute_command("COMMAND", "DOCS", *{name.split(b"|")[0] for name in used})
    for facts in [*documents.values()]:
        documents |= facts.get(b"subcommands", {})
    assert used <= documents.keys()
    since = {name: tuple(map(int, documents[name][b"since"].split(b"."))) for name in used}
    assert {name for name in used if since[name] >= (7, 1)} == set()


@pytest.mark.parametrize("family", KEYS, ids=lambda family: family.name)
def test_every_family_of_keys_is_open_to_its_writer_and_reader(family: Any) -> None:
    name = re.sub(r"<[^>]+>", "x", family.template.replace("{p}", "{3}"))
    for writer in family.writer.split(", "):
        assert allowed(users()[writer], name, write=True), writer
    for reader in family.reader.split(", "):
        assert allowed(users()[reader], name, write=False), reader


BESIDE = {
    "collector": {"reads": set(), "writes": set()},
    # The sweep hands on what waits in vain; what is settled is deleted.
    "worker": {"reads": {"half", "queue", "control"}, "writes": {"half", "queue", "control", "due", "ready"}},
    # How far judging is behind.
    "api": {"reads": {"ready"}, "writes": set()},
    "keda": {"reads": {"ready"}, "writes": set()},
}
"""The families that a user may reach beside those that the map gives it."""


@pytest.mark.parametrize("user", BESIDE)
def test_every_family_of_keys_is_closed_to_others(user: str) -> None:
    open_to: dict[str, set[str]] = {"reads": set(), "writes": set()}
    for family in KEYS:
        name = re.sub(r"<[^>]+>", "x", family.template.replace("{p}", "{3}"))
        writes, reads = (user in each.split(", ") for each in (family.writer, family.reader))
        if allowed(users()[user], name, write=True) and not writes:
            open_to["writes"].add(family.name)
        if allowed(users()[user], name, write=False) and not (reads or writes):
            open_to["reads"].add(family.name)
    assert open_to == BESIDE[user]


@pytest.mark.parametrize("user", PROCESSES)
async def test_each_user_sees_a_server_that_may_evict_evidence(
    user: str, server: RedisServer, admin: Any
) -> None:
    client = connect(as_user(server, user), name="test")
    try:
        await check_suitable(client)
        await admin.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(UnsuitableRedis, match="allkeys-lru"):
            await check_suitable(client)
        await admin.config_set("maxmemory-policy", "volatile-ttl")
        await check_suitable(client)
    finally:
        await client.aclose()


async def test_a_missing_password_is_an_error_at_once(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--requirepass", PASSWORD) as server:
        for blocking in (False, True):
            client = connect(server.url, name="test", blocking=blocking)
            with pytest.raises(UNAVAILABLE, match="authenticated"):
                await client.ping()
            await client.aclose()


async def test_the_doctor_needs_no_more_than_the_api(server: RedisServer, admin: Any) -> None:
    await write(admin, pair(1, {}, {}))
    client = connect(as_user(server, "api"), name="test")
    try:
        seen = await observe(client, cluster_url=False)
    finally:
        await client.aclose()
    assert await refused(admin) == []
    assert (len(seen.servers), seen.lag.pairs, seen.workers) == (1, 1, Workers(0, 0, 0))
