"""What a worker can be told, all of it through the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mirrordiff.process.settings import Address, Settings, parse_address


class WorkerSettings(Settings):
    """Settings of ``mirrordiff worker``; each is an environment variable ``MIRRORDIFF_<NAME>``."""

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="the Redis to read from")
    worker_http: Annotated[Address, BeforeValidator(parse_address)] = Field(
        Address("0.0.0.0", 8604),  # noqa: S104
        description="where /livez, /readyz and /metrics are served",
    )
    rules: Path | None = Field(None, description="rule file; loaded anew whenever it changes")
    descriptor_set: Path | None = Field(
        None, description="names the fields of gRPC messages (protoc -o, imports included)"
    )
    endpoints: Path | None = Field(None, description="route templates, a list or an OpenAPI document")
    version_header: str = Field(
        "",
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{0,100}$",
        description="response header that names the build, where captures do not tell one from another",
    )
    batch: int = Field(32, ge=1, le=1000, description="pairs read at once from each of 16 partitions")
    reclaim_after: float = Field(
        30, ge=0.2, le=3600, description="seconds after which a pair that a worker holds is given to another"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
