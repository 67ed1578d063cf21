"""From flags to a plan that can be started, or to every reason at once why it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from differ.core.model import Role
from differ.local import binaries
from differ.local.envoy_clusters import system_ca_file
from differ.local.ports import LOOPBACK, parse_listen, why_not_free
from differ.local.profile import CALIBRATION
from differ.local.profile import read as read_profile
from differ.local.upstreams import Upstream, parse_upstream
from differ.store.decisions import KeptProfile
from mirrordiff.process.settings import Address

LISTEN_PORT = 8800
API_PORT = 8600
GRPC_PORT = 8601

# More than one machine has use for.
MOST_WORKERS = 64

# A part of a log name, where parts are separated by "/", and of URLs of the API.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

_REDIS_SCHEMES = frozenset(
    f"{scheme}{kind}" for scheme in ("redis", "rediss") for kind in ("", "+cluster", "+sentinel")
) | {"unix"}

Value = TypeVar("Value")


class Problems(Exception):
    """Nothing can be started; ``lines`` has each reason, with the flag that it is about."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be started, all of it found to be possible a moment ago.

    ``redis_url`` is None where a Redis server is to be started with the rest; then ``redis_server``
    is the program for it. With ``calibrate`` v1 is mirrored to itself, and the noise goes to
    ``profile_file`` at the end; without, ``profile`` is the one that gates are to use.
    """

    envoy: Path
    redis_server: Path | None
    redis_url: str | None
    listen: Address
    api_http: Address
    api_grpc: Address
    upstreams: Mapping[Role, Upstream]
    versions: Mapping[Role, str]
    service: str = "default"
    workers: int = 1
    rules: Path | None = None
    policy: Path | None = None
    unsafe: bool = False
    calibrate: bool = False
    profile_file: Path | None = None
    profile: KeptProfile | None = None


@dataclass(frozen=True, slots=True)
class Flags:
    """The command line as it was typed: text, so that every fault of it can be told at once."""

    primary: str | None
    shadow: str | None
    control: str | None = None
    listen: str = str(LISTEN_PORT)
    api_port: str = str(API_PORT)
    grpc_port: str = str(GRPC_PORT)
    service: str = "default"
    primary_version: str = "v1"
    candidate: str | None = None
    redis: str | None = None
    workers: str = "1"
    rules: str | None = None
    policy: str | None = None
    unsafe: bool = False
    calibrate: bool = False
    profile: str | None = None


class _Reader:
    """Reads flags one by one and remembers what is wrong with each."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def read(self, flag: str, parse: Callable[[str], Value], text: str | None) -> Value | None:
        """The flag's value; None where it was not given or is wrong."""
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.lines.append(f"{flag} {error}")
            return None

    def find(self, find: Callable[[], Path]) -> Path | None:
        """A program; None where it is missing."""
        try:
            return find()
        except binaries.MissingBinaryError as error:
            self.lines.append(str(error))
            return None


def check(flags: Flags) -> Plan:
    """The plan that the flags ask for. Raises Problems with all that is in its way."""
    reader = _Reader()
    shadow = flags.primary if flags.calibrate and flags.shadow is None else flags.shadow
    urls = {Role.PRIMARY: flags.primary, Role.SHADOW: shadow, Role.CONTROL: flags.control}
    reader.lines += [
        f"--{role} is missing: write --{role} http://host:port"
        for role in (Role.PRIMARY, Role.SHADOW)
        if urls[role] is None and not (flags.calibrate and role is Role.SHADOW)
    ]
    reader.lines += _calibration(flags)
    read = {role: reader.read(f"--{role}", parse_upstream, url) for role, url in urls.items()}
    upstreams = {role: upstream for role, upstream in read.items() if upstream is not None}
    listen = reader.read("--listen", parse_listen, flags.listen)
    api_http = reader.read("--api-port", _loopback_port, flags.api_port)
    api_grpc = reader.read("--grpc-port", _loopback_port, flags.grpc_port)
    places = {"--listen": listen, "--api-port": api_http, "--grpc-port": api_grpc}
    reader.lines += _ports(places)
    reader.lines += _loops(upstreams, places)
    service = reader.read("--service", _name, flags.service)
    primary_version = reader.read("--primary-version", _name, flags.primary_version)
    named = "v2" if flags.candidate is None else flags.candidate
    candidate = reader.read("--candidate", _name, CALIBRATION if flags.calibrate else named)
    if any(upstream.tls for upstream in upstreams.values()) and system_ca_file() is None:
        reader.lines.append(
            "https needs the certificates that this system trusts, and there are none: set SSL_CERT_FILE"
        )
    workers = reader.read("--workers", _count, flags.workers)
    redis_url = reader.read("--redis", _redis_url, flags.redis)
    rules = reader.read("--rules", _rules_file, flags.rules)
    policy = reader.read("--policy", _policy_file, flags.policy)
    profile = None
    if not flags.calibrate:
        profile = reader.read("--profile", _profile, flags.profile)
    envoy = reader.find(binaries.envoy)
    redis_server = reader.find(binaries.redis_server) if flags.redis is None else None
    if reader.lines or not (
        listen and api_http and api_grpc and service and primary_version and candidate and workers and envoy
    ):
        raise Problems(reader.lines)
    return Plan(
        envoy=envoy,
        redis_server=redis_server,
        redis_url=redis_url,
        listen=listen,
        api_http=api_http,
        api_grpc=api_grpc,
        upstreams=upstreams,
        versions={Role.PRIMARY: primary_version, Role.SHADOW: candidate, Role.CONTROL: primary_version},
        service=service,
        workers=workers,
        rules=rules,
        policy=policy,
        unsafe=flags.unsafe,
        calibrate=flags.calibrate,
        profile_file=Path(flags.profile).absolute() if flags.profile else None,
        profile=profile,
    )


def _calibration(flags: Flags) -> list[str]:
    if not flags.calibrate:
        return []
    lines = []
    if flags.candidate is not None:
        lines.append("--candidate: with --calibrate there is none, v1 is mirrored to itself")
    if flags.profile is None and flags.redis is None:
        lines.append("--calibrate measures noise for later: say where to with --profile FILE or --redis URL")
    if flags.profile is not None and not Path(flags.profile).absolute().parent.is_dir():
        lines.append(f"--profile cannot be written: {flags.profile}: there is no such folder")
    return lines


def _profile(name: str) -> KeptProfile:
    try:
        return read_profile(Path(name))
    except OSError as error:
        raise ValueError(f"cannot be read: {name}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _ports(places: Mapping[str, Address | None]) -> list[str]:
    lines: list[str] = []
    seen: dict[int, str] = {}
    for flag, address in places.items():
        if address is None:
            continue
        if address.port in seen:
            lines.append(f"{flag} has port {address.port}, which {seen[address.port]} has too")
        elif (reason := why_not_free(address)) is not None:
            lines.append(f"{flag}: {reason}")
        seen.setdefault(address.port, flag)
    return lines


def _loops(upstreams: Mapping[Role, Upstream], places: Mapping[str, Address | None]) -> list[str]:
    own = {address.port: flag for flag, address in places.items() if address is not None}
    return [
        f"--{role} points at this machine's port {upstream.port}, where {own[upstream.port]} will listen"
        for role, upstream in upstreams.items()
        if upstream.port in own and upstream.is_loopback
    ]


def _loopback_port(text: str) -> Address:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise ValueError("is not a port: write a number from 1 to 65535")
    return Address(LOOPBACK, int(text))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_WORKERS):
        raise ValueError(f"is not a number from 1 to {MOST_WORKERS}")
    return int(text)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(
            "is not a name: write 1 to 63 letters, digits, dots, hyphens and underscores, a letter or "
            "digit first"
        )
    return text


def _rules_file(name: str) -> Path:
    from differ.core.rules import RulesError, parse_rules

    path, text = _read(name)
    try:
        parse_rules(text)
    except RulesError as error:
        raise ValueError(f"has rules that cannot be used: {name}:{_indented(error)}") from None
    return path


def _policy_file(name: str) -> Path:
    from differ.core.policy import PolicyError, parse_policy

    path, text = _read(name)
    try:
        parse_policy(text)
    except PolicyError as error:
        raise ValueError(f"has a policy that cannot be used: {name}:{_indented(error)}") from None
    return path


def _read(name: str) -> tuple[Path, str]:
    path = Path(name).absolute()
    try:
        return path, path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"cannot be read: {name}: it is not UTF-8") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {name}: {error.strerror}") from None


def _indented(error: Exception) -> str:
    return "".join(f"\n    {line}" for line in str(error).splitlines())


def _redis_url(url: str) -> str:
    """Says what is wrong without showing the URL, which may have a password in it."""
    scheme = url.partition("://")[0]
    if scheme not in _REDIS_SCHEMES:
        raise ValueError("has no scheme of Redis: write redis://host:port/0 (or rediss, unix)")
    try:
        parts = urlsplit(url)
        # Sentinels are several hosts, separated by commas.
        host = parts.netloc if scheme.endswith("+sentinel") else parts.hostname
        _ = parts.port if host == parts.hostname else None
    except ValueError:
        raise ValueError("is not a URL: write redis://host:port/0") from None
    if scheme == "unix" and not parts.path:
        raise ValueError("has no path: write unix:///path/of/socket")
    if scheme != "unix" and not host:
        raise ValueError("has no host: write redis://host:port/0")
    return url
