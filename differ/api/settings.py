"""What the API process can be told, all of it through the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mirrordiff.process.settings import Address, OptionalAddress, parse_address
from mirrordiff.process.tls import TlsSettings

ListenAddress = Annotated[Address, BeforeValidator(parse_address)]


class ApiSettings(TlsSettings):
    """Settings of ``mirrordiff api``; each is an environment variable ``MIRRORDIFF_<NAME>``."""

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="the Redis to read from")
    api_http: ListenAddress = Field(
        Address("127.0.0.1", 8600),
        description="where the HTTP API and the report page are served",
    )
    api_grpc: ListenAddress = Field(
        Address("127.0.0.1", 8601),
        description="where the gRPC API is served",
    )
    api_health: OptionalAddress = Field(
        None, description="where /livez, /readyz and /metrics are served without TLS, too"
    )
    tokens: Path | None = Field(None, description="who may see what; loaded anew whenever it changes")
    api_open: bool = Field(
        False,  # noqa: FBT003
        description="let everybody see everything, on addresses that others reach, too",
    )
    token_review: bool = Field(
        False,  # noqa: FBT003
        description="take tokens of Kubernetes' users and service accounts, by TokenReview",
    )
    token_review_audience: str = Field(
        "mirrordiff", min_length=1, description="whom such a token must have been given out for"
    )
    token_review_folder: Path = Field(
        Path("/var/run/secrets/kubernetes.io/serviceaccount"),
        description="the API's own token and the cluster's ca.crt",
    )
    policy: Path | None = Field(None, description="the policy, or a folder with <gate>.yaml for each gate")
    rules: Path | None = Field(None, description="the workers' rules file, for the notes of its rules")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$",
        description="where people reach the report page, for links",
    )
    trace_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]*\{trace_id\}[^\s]*)?$",
        description="where people look at a trace, with {trace_id} in place of its id, for links",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
