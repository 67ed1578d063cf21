"""What differs between one installation's configuration and another's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from differ.core.model import Role
from mirrordiff.process.settings import Address


class Way(StrEnum):
    """How captures leave the proxy."""

    ACCESS_LOG = "access-log"
    EXT_PROC = "ext-proc"


_COLLECTOR = Address("mirrordiff-collector.mirrordiff.svc.cluster.local", 8602)
_EVERYWHERE = Address("0.0.0.0", 10000)  # noqa: S104


@dataclass(frozen=True, slots=True)
class Names:
    """The defaults make the files under ``deploy/``.

    ``port`` is the service's own; ``percent`` of the requests are mirrored; ``unsafe`` mirrors methods
    that may write, too. ``gateway`` is the Gateway through which requests come, where there is one.
    ``request_headers`` and ``request_bodies`` say what is captured of requests beside their line.
    """

    service: str = "orders"
    namespace: str = "shop"
    port: int = 8080
    primary: str = "http://orders-v1.shop:8080"
    shadow: str = "http://orders-v2.shop:8080"
    primary_version: str = "v1"
    shadow_version: str = "v2"
    collector: Address = _COLLECTOR
    listen: Address = _EVERYWHERE
    percent: float = 100
    unsafe: bool = False
    gateway: str = "edge"
    request_headers: tuple[str, ...] = ()
    request_bodies: bool = False

    def version(self, role: Role) -> str:
        """Of the build that answers in a role."""
        return self.shadow_version if role is Role.SHADOW else self.primary_version
