"""What the API process can be told, all of it through the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mirrordiff.process.settings import Address, Settings, parse_address

ListenAddress = Annotated[Address, BeforeValidator(parse_address)]


class ApiSettings(Settings):
    """Settings of ``mirrordiff api``; each is an environment variable ``MIRRORDIFF_<NAME>``."""

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="the Redis to read from")
    api_http: ListenAddress = Field(
        Address("0.0.0.0", 8600),  # noqa: S104
        description="where the HTTP API and the report page are served",
    )
    api_grpc: ListenAddress = Field(
        Address("0.0.0.0", 8601),  # noqa: S104
        description="where the gRPC API is served",
    )
    policy: Path | None = Field(None, description="the policy file; without one the defaults decide")
    rules: Path | None = Field(None, description="the workers' rules file, for the notes of its rules")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$",
        description="where people reach the report page, for links",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
