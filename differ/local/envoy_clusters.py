"""The clusters: hops inside the process, the services behind them, the collector."""

from __future__ import annotations

import ssl
from pathlib import Path

from differ.core.model import Role
from differ.local.envoy_http import COLLECTOR, HTTP2, TYPES, WINDOW, Json, socket_address
from differ.local.upstreams import Upstream
from mirrordiff.process.settings import Address

# Envoy's own default of 1,024 requests and connections would drop mirrored requests without a trace.
_UNLIMITED: Json = {
    "thresholds": [
        {
            "max_connections": 1_000_000,
            "max_pending_requests": 1_000_000,
            "max_requests": 1_000_000,
            "max_retries": 1_000_000,
        }
    ]
}


def system_ca_file() -> str | None:
    """The file with this system's trusted certificates, or None where there is none.

    OpenSSL's own answer first (it honours SSL_CERT_FILE), then where distributions keep it, since a
    Python that brings its own OpenSSL looks elsewhere.
    """
    known = (
        ssl.get_default_verify_paths().cafile,
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    )
    return next((path for path in known if path and Path(path).is_file()), None)


def hop_cluster(role: Role) -> Json:
    return {
        "name": f"hop-{role}",
        "circuit_breakers": _UNLIMITED,
        "per_connection_buffer_limit_bytes": WINDOW,
        "typed_extension_protocol_options": _protocol(
            {"http2_protocol_options": HTTP2}, common={"max_headers_count": 256}
        ),
        "load_assignment": _endpoint(
            f"hop-{role}", {"envoy_internal_address": {"server_listener_name": f"hop-{role}"}}
        ),
    }


def service_cluster(name: str, upstream: Upstream, ca_file: str | None) -> Json:
    http: Json = (
        {"http2_protocol_options": {"allow_connect": True}}
        if upstream.http2
        else {"http_protocol_options": {"enable_trailers": True}}
    )
    cluster: Json = {
        "name": name,
        "connect_timeout": "5s",
        "circuit_breakers": _UNLIMITED,
        "per_connection_buffer_limit_bytes": WINDOW,
        # Shorter than servers keep an idle connection, so that none is used in the moment it is closed.
        "typed_extension_protocol_options": _protocol(
            http, common={"idle_timeout": "1.5s", "max_headers_count": 256}
        ),
        "load_assignment": _endpoint(name, socket_address(upstream.address)),
        **_resolution(upstream.is_ip),
    }
    if upstream.tls:
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": _tls(upstream, ca_file),
        }
    return cluster


def _tls(upstream: Upstream, ca_file: str | None) -> Json:
    if ca_file is None:
        raise ValueError("an https service needs a file of trusted certificates, and the system has none")
    host = upstream.host.rstrip(".")
    context: Json = {
        "@type": f"{TYPES}extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["http/1.1"],
            "validation_context": {
                "trusted_ca": {"filename": ca_file},
                "match_typed_subject_alt_names": [
                    {"san_type": "IP_ADDRESS" if upstream.is_ip else "DNS", "matcher": {"exact": host}}
                ],
            },
        },
    }
    return context if upstream.is_ip else context | {"sni": host}


def collector_cluster(collector: Address) -> Json:
    return {
        "name": COLLECTOR,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": _UNLIMITED,
        "typed_extension_protocol_options": _protocol({"http2_protocol_options": {}}, common={}),
        "load_assignment": _endpoint(COLLECTOR, socket_address(collector)),
    }


def _resolution(is_ip: bool) -> Json:  # noqa: FBT001
    if is_ip:
        return {"type": "STATIC"}
    # Both address families, the second one tried where the first does not answer.
    return {"type": "LOGICAL_DNS", "dns_lookup_family": "ALL"}


def _protocol(explicit: Json, *, common: Json) -> Json:
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": explicit,
            "common_http_protocol_options": common,
        }
    }


def _endpoint(cluster: str, address: Json) -> Json:
    return {
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
    }
