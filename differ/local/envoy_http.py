"""The pieces of an HTTP listener: connection manager, capture filter, access logger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mirrordiff.process.settings import Address

Json = dict[str, object]

TYPES = "type.googleapis.com/envoy."

PAIR_HEADER = "x-mirrordiff-pair"
COLLECTOR = "collector"
"""The cluster that captures are sent to."""

BODY_CAP = 262_144
"""Bytes of a body that are captured, as ``capture.lua`` has it."""

WINDOW = 16 * 1024 * 1024
"""How far one reader of a mirrored upload may be behind the other, bytes.

Both services read it at once, and Envoy holds the client back when one of them is further behind.
"""

_LUA = Path(__file__).with_name("capture.lua")

HTTP2: Json = {
    "allow_connect": True,  # carries websockets
    "initial_stream_window_size": WINDOW,
    "initial_connection_window_size": 4 * WINDOW,
}


def connection_manager(
    name: str,
    *,
    routes: list[Json],
    filters: list[Json],
    suppress_envoy_headers: bool,
    remove: Sequence[str] = (),
) -> Json:
    return {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": "0s",
        "http_protocol_options": {"accept_http_10": True, "enable_trailers": True},
        "http2_protocol_options": HTTP2,
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
                    "@type": f"{TYPES}extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": suppress_envoy_headers,
                },
            },
        ],
    }


def capture_filter(body_cap: int, *, request_bodies: bool = False) -> Json:
    """The filter that copies answers; requests' bodies for the record, too, where that is asked for."""
    source = _set(_LUA.read_text("utf-8"), "BODY_CAP", str(BODY_CAP), str(body_cap))
    source = _set(source, "REQUEST_BODIES", "false", str(request_bodies).lower())
    return {
        "name": "mirrordiff.capture",
        "typed_config": {
            "@type": f"{TYPES}extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": source},
        },
    }


def _set(source: str, name: str, usual: str, value: str) -> str:
    before, line, after = source.partition(f"local {name} = {usual}\n")
    if not line:
        raise ValueError(f"{_LUA.name} does not set {name} to {usual}")
    return f"{before}local {name} = {value}\n{after}"


def access_log(log_name: str, *, request_headers: Sequence[str] = (), request_bodies: bool = False) -> Json:
    """The logger that ships what the filter copied, and of a request the headers that are named."""
    needed = ["content-type", "content-encoding"] if request_bodies else []
    return {
        "name": "mirrordiff.capture",
        "typed_config": {
            "@type": f"{TYPES}extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
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
                "traceparent",
                *dict.fromkeys([*needed, *(name.lower() for name in request_headers)]),
            ],
        },
    }


def filter_chain(manager: Json) -> Json:
    return {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}


def socket_address(address: Address) -> Json:
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def set_header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
