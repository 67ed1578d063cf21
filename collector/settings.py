"""What the collector can be told, all of it through the environment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from collector.redaction import Redaction
from mirrordiff.process.settings import PREFIX, Address, OptionalAddress, parse_address
from mirrordiff.process.tls import TlsSettings

ListenAddress = Annotated[Address, BeforeValidator(parse_address)]


class CollectorSettings(TlsSettings):
    """Settings of ``python -m collector``; each is an environment variable ``MIRRORDIFF_<NAME>``."""

    redis_url: str = Field("redis://127.0.0.1:6379/0", description="the Redis to write to")
    collector_grpc: ListenAddress = Field(
        Address("0.0.0.0", 8602),  # noqa: S104
        description="where Envoy's access log and ext_proc streams are received",
    )
    collector_http: ListenAddress = Field(
        Address("0.0.0.0", 8603),  # noqa: S104
        description="where POST /v1/captures, /livez, /readyz and /metrics are served",
    )
    collector_health: OptionalAddress = Field(
        None, description="where /livez, /readyz and /metrics are served without TLS, too"
    )
    post_cap: int = Field(
        32 * 1024**2, ge=1024, le=1024**3, description="bytes of one POST /v1/captures, unpacked too"
    )
    body_cap: int = Field(256 * 1024, ge=1024, le=16 * 1024 * 1024, description="bytes kept of a body")
    queue_bytes: int = Field(
        64 * 1024**2, ge=1024**2, description="bytes of captures that may wait for Redis"
    )
    exchange_time: float = Field(
        60, gt=0, le=600, description="seconds that one exchange over ext_proc is followed at most"
    )
    clusters: str = Field("", description="which cluster is which side: REGEX => role/service/version; …")
    half_ttl: float = Field(45, gt=0, le=300, description="seconds a response waits for its twin")
    retry_grace: float = Field(
        2, ge=0, le=60, description="seconds a failed primary answer waits for a further attempt"
    )
    stream_limit: int = Field(50_000, ge=1, description="pairs each of 16 partitions may hold unjudged")
    request_headers: str = Field(
        "", description="headers of requests that are kept beside the answers, by comma; none else is"
    )
    request_bodies: bool = Field(
        default=False, description="keep the bodies of requests, too, cut at the body cap"
    )
    redact_headers: str = Field("", description="further headers whose values never leave, by comma")
    redact_mode: Literal["redacted", "hash-only", "full"] = Field(
        "redacted", description="what is kept: all but the fields and patterns named, only hashes, or all"
    )
    redact_fields: str = Field(
        "", description="fields of JSON bodies kept as tokens, by comma: $.customer.email, $..iban"
    )
    redact_patterns: str = Field(
        "", description="text kept as tokens, one a line: email, card, jwt, or a regular expression"
    )
    redact_key: SecretStr = Field(
        SecretStr(""), description="secret that tokens are made with, the same for every collector"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")

    def redaction(self) -> Redaction:
        """As configured. Raises ValueError saying what cannot be."""
        made = Redaction(
            _listed(self.redact_headers, ","),
            mode=self.redact_mode,
            key=self.redact_key.get_secret_value().encode(),
            fields=_listed(self.redact_fields, ","),
            patterns=_listed(self.redact_patterns, "\n"),
            most_unpacked=8 * self.body_cap,
            request_headers=_listed(self.request_headers, ","),
            request_bodies=self.request_bodies,
        )
        others = [each for each in (self.collector_grpc, self.collector_http) if not each.is_loopback]
        if self.redact_mode == "full" and others and self.tls_client_ca is None:
            # Whoever keeps everything knows at least from whom it comes, and that nobody read it on the way.
            raise ValueError(
                f"{PREFIX}REDACT_MODE: full is for proxies that show a certificate: "
                f"give {PREFIX}TLS_CLIENT_CA, or listen on 127.0.0.1 "
                f"and not on {' and '.join(map(str, others))}"
            )
        return made


def _listed(text: str, separator: str) -> list[str]:
    return [part.strip() for part in text.split(separator) if part.strip()]
