"""Settings of a process: read once from the environment, strict, every problem in one message.

A process declares a frozen pydantic model; field ``redis_url`` is read from ``MIRRORDIFF_REDIS_URL``.
Values never appear in an error, since some are secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

PREFIX = "MIRRORDIFF_"

Model = TypeVar("Model", bound="Settings")


class SettingsError(Exception):
    """The environment does not say what the process needs. ``problems`` has a line for each fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseModel):
    """Base of each process's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens or is found."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: object) -> Address:
    """``host:port``, ``[v6]:port`` or ``:port`` (every interface). Raises ValueError."""
    if isinstance(text, Address):
        return text
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.%]+)\]|([^:\[\]\s]*)):([0-9]{1,5})", str(text))
    if match is None or int(match[3]) > 65535:
        raise ValueError("is not an address: write host:port, for example 127.0.0.1:8602")
    return Address(match[1] or match[2] or "0.0.0.0", int(match[3]))  # noqa: S104


OptionalAddress = Annotated[Address | None, BeforeValidator(lambda text: text and parse_address(text))]
"""A setting that may be left away."""


def load(model: type[Model], environ: Mapping[str, str]) -> Model:
    """The settings of one process.

    Variables of other processes are left alone, so that one environment can serve all of them.
    Raises SettingsError with all problems at once.
    """
    values = {
        name: environ[PREFIX + name.upper()]
        for name in model.model_fields
        if environ.get(PREFIX + name.upper(), "") != ""
    }
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise SettingsError([_problem(model, dict(fault)) for fault in error.errors()]) from None


def _problem(model: type[Settings], fault: dict[str, object]) -> str:
    location = fault["loc"]
    name = str(location[0]) if isinstance(location, tuple) and location else ""
    message = str(fault["msg"]).removeprefix("Value error, ")
    field = model.model_fields.get(name)
    meaning = f" ({field.description})" if field is not None and field.description else ""
    return f"{PREFIX}{name.upper()}: {message}{meaning}"
