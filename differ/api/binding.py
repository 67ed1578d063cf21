"""Where the gRPC server listens, and what it is secured with."""

from __future__ import annotations

from typing import Any

import grpc

from mirrordiff.process.settings import Address
from mirrordiff.process.tls import Pem, Tls


def bind(server: grpc.aio.Server, address: Address, secured: Tls | None) -> int:
    """Let a gRPC server listen; returns the port. Raises RuntimeError where the address is taken."""
    if secured is None:
        return server.add_insecure_port(str(address))
    return server.add_secure_port(str(address), _credentials(secured))


def _credentials(secured: Tls) -> grpc.ServerCredentials:
    served = secured.pem()

    def fresh() -> Any:  # the certificates where they are others than those served, else None
        nonlocal served
        now = secured.pem()
        if now is served:
            return None
        served = now
        return _configuration(now)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(served), fresh, require_client_authentication=secured.asks_clients
    )


def _configuration(pem: Pem) -> Any:  # grpc's type has no stub
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.cert)], root_certificates=pem.client_ca)
