"""``mirrordiff collector``, ``worker`` and ``api``: the three processes, told by their environment."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from differ.cli import Unreachable
from differ.core import rules
from differ.core.endpoints import TemplateError
from differ.core.lifting.protobuf import SchemaError
from differ.core.policy import PolicyError
from mirrordiff.process import logs
from mirrordiff.process.http import AddressInUse
from mirrordiff.process.redis import UnsuitableRedis
from mirrordiff.process.settings import Settings, SettingsError, load

_WRONG = (SettingsError, rules.RulesError, TemplateError, PolicyError, SchemaError, UnsuitableRedis)
"""What a process says of settings, files and servers that it cannot work with."""

Model = TypeVar("Model", bound=Settings)


def _run(model: type[Model], process: Callable[[Model], Coroutine[Any, Any, None]]) -> None:
    """Load the settings, run the process, and turn what may be wrong into one message and exit code."""
    try:
        settings = load(model, os.environ)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    logs.configure(getattr(settings, "log_level", "info"))
    try:
        asyncio.run(process(settings))
    except AddressInUse as error:
        raise Unreachable(str(error)) from None
    except _WRONG as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise click.UsageError(f"{error.filename}: {error.strerror}") from None


@click.command()
def collector() -> None:
    """Receive captures from proxies and pair them in Redis."""
    os.execv(sys.executable, [sys.executable, "-m", "collector"])  # noqa: S606


@click.command()
def worker() -> None:
    """Compare pairs and count what they differ in."""
    from differ.worker import process
    from differ.worker.settings import WorkerSettings

    _run(WorkerSettings, process.run)


@click.command()
def api() -> None:
    """Serve the API over HTTP and gRPC, and the report page."""
    from differ.api import process
    from differ.api.settings import ApiSettings

    _run(ApiSettings, process.run)
