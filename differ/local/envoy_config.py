"""The bootstrap of the Envoy that stands between the client and the services.

::

    client ─▶ front ──┬─▶ hop-primary ─▶ primary     safe methods: mirrored, and captured on every hop
                      ├┄▶ hop-shadow  ─▶ shadow
                      ├┄▶ hop-control ─▶ control
                      └─▶ primary                    other methods and upgrades: straight through

The *front* routes and mirrors. Envoy throws a mirror's answer away before any filter of the mirroring
listener could see it, so each role has a *hop*: a listener inside the same process through which its
requests pass, with the capture filter and the access logger in it. Hops speak HTTP/2, which carries
trailers, gRPC and streams alike.

What holds:

- A pair id, new for each request, reaches all roles of it; a client cannot bring its own.
- The role travels in the log name, ``role/service/version``.
- A client's x-request-id passes untouched; one that is missing is made.
- Nothing that is captured waits for the collector: the access logger sheds what it cannot send.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from differ.core.model import Role
from differ.local.upstreams import Upstream
from mirrordiff.process.settings import Address

Json = dict[str, object]

PAIR_HEADER = "x-mirrordiff-pair"
ROLE_HEADER = "x-mirrordiff-role"
_FORWARDED = "x-mirrordiff-forwarded-for"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
BODY_CAP = 262_144
"""Bytes of a body that are captured, as ``capture.lua`` has it."""

COLLECTOR = "collector"
_LUA = Path(__file__).with_name("capture.lua")
_TYPES = "type.googleapis.com/envoy."

# How long a mirrored request may be silent before it is given up and recorded as no response: shorter
# than the collector lets the primary's answer wait for it. The primary itself has no limit, since a
# client may keep an event stream open for as long as it likes.
MIRROR_IDLE = "30s"

# A mirrored upload is read by both services at once, and Envoy holds the client back when one of
# them reads slowly. These windows let a shadow be this far behind before that happens.
_WINDOW = 16 * 1024 * 1024

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


@dataclass(frozen=True, slots=True)
class Topology:
    """What stands where. ``upstreams`` has the primary at least; ``admin`` is the path of a Unix socket.

    ``ca_file`` has the certificates that https services are checked against.
    """

    listen: Address
    admin: Path
    collector: Address
    upstreams: Mapping[Role, Upstream]
    versions: Mapping[Role, str]
    service: str = "default"
    unsafe: bool = False
    ca_file: str | None = field(default_factory=system_ca_file)
    body_cap: int = BODY_CAP


def bootstrap(topology: Topology) -> Json:
    """Envoy's bootstrap configuration, as JSON."""
    roles = list(topology.upstreams)
    return {
        "node": {"id": "mirrordiff", "cluster": "mirrordiff"},
        "admin": {"address": {"pipe": {"path": str(topology.admin), "mode": 0o600}}},
        "bootstrap_extensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": {
                    "@type": f"{_TYPES}extensions.bootstrap.internal_listener.v3.InternalListener"
                },
            }
        ],
        "static_resources": {
            "listeners": [
                _front(topology),
                *(capturing_listener(topology, role, address=None) for role in roles),
            ],
            "clusters": [
                *(_hop_cluster(role) for role in roles),
                *(_service_cluster(role.value, topology.upstreams[role], topology.ca_file) for role in roles),
                _collector_cluster(topology.collector),
            ],
        },
    }


def capturing_listener(topology: Topology, role: Role, address: Address | None) -> Json:
    """The listener through which one role's requests reach its service, and which captures the answers.

    Inside the process where ``address`` is None; else on that address, as in front of one service.
    """
    upstream = topology.upstreams[role]
    name = f"hop-{role}"
    mirrored = role is not Role.PRIMARY
    action: Json = {"cluster": role.value, "timeout": "0s"}
    if mirrored:
        action["idle_timeout"] = MIRROR_IDLE
    if upstream.own_authority is not None:
        action["host_rewrite_literal"] = upstream.own_authority
    if upstream.prefix:
        # Not prefix_rewrite, which would make `//` of a path that is just `/`.
        action["regex_rewrite"] = {"pattern": {"regex": "^/"}, "substitution": f"{upstream.prefix}/"}
    route: Json = {
        "name": role.value,
        "match": {"prefix": "/"},
        "route": action,
        "request_headers_to_remove": [ROLE_HEADER],
    }
    if mirrored:
        added = [_set_header(ROLE_HEADER, role.value)]
        if address is None:
            # Mirroring appends this machine to x-forwarded-for; a service that shows its client's address
            # would differ for it.
            added.append(_set_header("x-forwarded-for", f"%REQ({_FORWARDED})%"))
        route["request_headers_to_add"] = added
    version = topology.versions[role]
    manager = _connection_manager(
        name,
        routes=[route],
        filters=[_lua(topology.body_cap)],
        # Of the whole virtual host, since these go last: after the route has read it.
        remove=[_FORWARDED],
        # The rewriting of a path is told to the access log by a header that is suppressed otherwise.
        suppress_envoy_headers=not upstream.prefix,
    ) | {
        "codec_type": "HTTP2" if address is None else "AUTO",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "skip_xff_append": True,
        # The front has added to what its own limit let pass.
        "max_request_headers_kb": 128,
        "access_log": [_access_log(f"{role}/{topology.service}/{version}")],
    }
    listener: Json = {"name": name, "filter_chains": [_filter_chain(manager)]}
    if address is None:
        listener["internal_listener"] = {}
    else:
        listener["address"] = _socket_address(address)
    return listener


def _front(topology: Topology) -> Json:
    mirrors = [role for role in topology.upstreams if role is not Role.PRIMARY]
    mirrored: Json = {
        "name": "mirrored",
        "match": {"prefix": "/", "headers": [] if topology.unsafe else [_safe_method()]},
        "request_headers_to_add": [
            _set_header(PAIR_HEADER, "%UNIQUE_ID%"),
            _set_header(_FORWARDED, "%REQ(x-forwarded-for)%"),
        ],
        "route": {
            "cluster": f"hop-{Role.PRIMARY}",
            "timeout": "0s",
            "request_mirror_policies": [
                {"cluster": f"hop-{role}", "disable_shadow_host_suffix_append": True} for role in mirrors
            ],
        },
    }
    primary = topology.upstreams[Role.PRIMARY]
    passed: Json = {"cluster": Role.PRIMARY.value, "timeout": "0s"}
    if primary.own_authority is not None:
        passed["host_rewrite_literal"] = primary.own_authority
    if primary.prefix:
        passed["regex_rewrite"] = {"pattern": {"regex": "^/"}, "substitution": f"{primary.prefix}/"}
    direct: Json = {
        "request_headers_to_remove": [PAIR_HEADER, ROLE_HEADER],
        "route": passed,
    }
    # An upgraded connection carries messages of which any may write, and there is no response to compare.
    upgrade: Json = {
        "name": "upgrade",
        "match": {
            "prefix": "/",
            "headers": [{"name": "upgrade", "string_match": {"exact": "websocket", "ignore_case": True}}],
        },
        **direct,
    }
    rest: Json = {"name": "not-mirrored", "match": {"prefix": "/"}, **direct}
    manager = _connection_manager(
        "front", routes=[upgrade, mirrored, rest], filters=[], suppress_envoy_headers=True
    ) | {
        "codec_type": "AUTO",
        "use_remote_address": True,
        "preserve_external_request_id": True,
        "request_id_extension": {
            "typed_config": {
                "@type": f"{_TYPES}extensions.request_id.uuid.v3.UuidRequestIdConfig",
                # It would rewrite one character of the id.
                "pack_trace_reason": False,
            }
        },
    }
    return {
        "name": "front",
        "address": _socket_address(topology.listen),
        "filter_chains": [_filter_chain(manager)],
    }


def _connection_manager(
    name: str,
    *,
    routes: list[Json],
    filters: list[Json],
    suppress_envoy_headers: bool,
    remove: Sequence[str] = (),
) -> Json:
    return {
        "@type": f"{_TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": "0s",
        "http_protocol_options": {"accept_http_10": True, "enable_trailers": True},
        "http2_protocol_options": _HTTP2,
        "common_http_protocol_options": {"max_headers_count": 256},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {
            "name": name,
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": routes,
                    "request_headers_to_remove": list(remove),
                }
            ],
        },
        "http_filters": [
            *filters,
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_TYPES}extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": suppress_envoy_headers,
                },
            },
        ],
    }


_HTTP2: Json = {
    "allow_connect": True,  # carries websockets
    "initial_stream_window_size": _WINDOW,
    "initial_connection_window_size": 4 * _WINDOW,
}


def _lua(body_cap: int) -> Json:
    source = _LUA.read_text("utf-8")
    if body_cap != BODY_CAP:
        before, line, after = source.partition(f"local BODY_CAP = {BODY_CAP}\n")
        if not line:
            raise ValueError(f"{_LUA.name} does not set BODY_CAP to {BODY_CAP}")
        source = f"{before}local BODY_CAP = {body_cap}\n{after}"
    return {
        "name": "mirrordiff.capture",
        "typed_config": {
            "@type": f"{_TYPES}extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": source},
        },
    }


def _access_log(log_name: str) -> Json:
    return {
        "name": "mirrordiff.capture",
        "typed_config": {
            "@type": f"{_TYPES}extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
            "common_config": {
                "log_name": log_name,
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": COLLECTOR}},
                "buffer_size_bytes": 65_536,
                "buffer_flush_interval": "0.2s",
            },
            "additional_request_headers_to_log": [
                PAIR_HEADER,
                "x-envoy-attempt-count",
                "content-type",
                "traceparent",
            ],
        },
    }


def _hop_cluster(role: Role) -> Json:
    return {
        "name": f"hop-{role}",
        "circuit_breakers": _UNLIMITED,
        "per_connection_buffer_limit_bytes": _WINDOW,
        "typed_extension_protocol_options": _protocol(
            {"http2_protocol_options": _HTTP2}, common={"max_headers_count": 256}
        ),
        "load_assignment": _endpoint(
            f"hop-{role}", {"envoy_internal_address": {"server_listener_name": f"hop-{role}"}}
        ),
    }


def _service_cluster(name: str, upstream: Upstream, ca_file: str | None) -> Json:
    http: Json = (
        {"http2_protocol_options": {"allow_connect": True}}
        if upstream.http2
        else {"http_protocol_options": {"enable_trailers": True}}
    )
    cluster: Json = {
        "name": name,
        "connect_timeout": "5s",
        "circuit_breakers": _UNLIMITED,
        "per_connection_buffer_limit_bytes": _WINDOW,
        # Shorter than servers keep an idle connection, so that none is used in the moment it is closed.
        "typed_extension_protocol_options": _protocol(
            http, common={"idle_timeout": "1.5s", "max_headers_count": 256}
        ),
        "load_assignment": _endpoint(name, _socket_address(upstream.address)),
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
        "@type": f"{_TYPES}extensions.transport_sockets.tls.v3.UpstreamTlsContext",
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


def _collector_cluster(collector: Address) -> Json:
    return {
        "name": COLLECTOR,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": _UNLIMITED,
        "typed_extension_protocol_options": _protocol({"http2_protocol_options": {}}, common={}),
        "load_assignment": _endpoint(COLLECTOR, _socket_address(collector)),
    }


def _resolution(is_ip: bool) -> Json:  # noqa: FBT001
    if is_ip:
        return {"type": "STATIC"}
    # Both address families, the second one tried where the first does not answer.
    return {"type": "LOGICAL_DNS", "dns_lookup_family": "ALL"}


def _protocol(explicit: Json, *, common: Json) -> Json:
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{_TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": explicit,
            "common_http_protocol_options": common,
        }
    }


def _endpoint(cluster: str, address: Json) -> Json:
    return {
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
    }


def _filter_chain(manager: Json) -> Json:
    return {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}


def _socket_address(address: Address) -> Json:
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _set_header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _safe_method() -> Json:
    return {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(SAFE_METHODS)}}}
