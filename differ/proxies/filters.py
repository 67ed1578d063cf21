"""The pieces that capture, for a proxy of one's own: the same ones that ``mirrordiff up`` runs with."""

from __future__ import annotations

from collections.abc import Mapping

from differ.core.model import Role
from differ.local.envoy_config import ROLE_HEADER
from differ.local.envoy_http import BODY_CAP, TYPES, Json, access_log, capture_filter
from differ.proxies.names import Names

ROUTER = "envoy.filters.http.router"
MANAGER = "envoy.filters.network.http_connection_manager"

_REQUEST_ATTRIBUTES = ["request.id", "request.time"]
_RESPONSE_ATTRIBUTES = ["response.code_details", "response.flags"]
_UPSTREAM_ATTRIBUTES = ["xds.cluster_name", "upstream.request_attempt_count"]
"""All that is asked of Envoy. As an upstream filter it crashes on ``source.*``, ``destination.*`` and
``xds.node``: nothing is to be added here without trying it there."""


def capture(names: Names) -> Json:
    """The Lua filter that copies a response into the access log's metadata."""
    return capture_filter(BODY_CAP, request_bodies=names.request_bodies)


def shipping(names: Names, role: Role, cluster: str) -> Json:
    """The access logger that ships what the filter has copied."""
    log = access_log(
        f"{role}/{names.service}/{names.version(role)}",
        request_headers=names.request_headers,
        request_bodies=names.request_bodies,
    )
    config = log["typed_config"]
    assert isinstance(config, dict)  # noqa: S101 - as access_log makes it
    config["common_config"]["grpc_service"] = {"envoy_grpc": {"cluster_name": cluster}}
    return log


def processing(cluster: str, metadata: Mapping[str, str], *, upstream: bool = False) -> Json:
    """The external processing filter, as an observer. ``metadata`` says whose responses it sends."""
    further = _UPSTREAM_ATTRIBUTES if upstream else []
    return {
        "name": "mirrordiff.capture",
        "typed_config": {
            "@type": f"{TYPES}extensions.filters.http.ext_proc.v3.ExternalProcessor",
            "observability_mode": True,
            # Without it, a collector that is away makes Envoy answer 500.
            "failure_mode_allow": True,
            "deferred_close_timeout": "5s",
            "grpc_service": {
                "envoy_grpc": {"cluster_name": cluster},
                "initial_metadata": [{"key": key, "value": value} for key, value in metadata.items()],
            },
            "processing_mode": {
                "request_header_mode": "SEND",
                "request_body_mode": "STREAMED",  # BUFFERED sends no body in this mode
                "request_trailer_mode": "SEND",  # else nobody could tell that the body before them was whole
                "response_header_mode": "SEND",
                "response_body_mode": "STREAMED",
                "response_trailer_mode": "SEND",
            },
            "request_attributes": [*_REQUEST_ATTRIBUTES, *further],
            "response_attributes": [*_RESPONSE_ATTRIBUTES, *further],
            "forward_rules": {
                "disallowed_headers": {
                    "patterns": [
                        {"exact": name, "ignore_case": True}
                        for name in ("authorization", "cookie", "proxy-authorization", "x-api-key")
                    ]
                }
            },
        },
    }


def upstream_filters(*filters: Json) -> list[Json]:
    """Filters of the way to a service, with the codec that has to be their last."""
    return [
        *filters,
        {
            "name": "envoy.filters.http.upstream_codec",
            "typed_config": {"@type": f"{TYPES}extensions.filters.http.upstream_codec.v3.UpstreamCodec"},
        },
    ]


def reader() -> Json:
    """What the cluster of a collector that is sent exchanges has beyond any other.

    No limit on what waits to be sent: at the limit Envoy 1.40 holds the live response up, and as an
    upstream filter on a mirrored request it crashes instead. What waits is bounded by time: a stream is
    given up a few seconds after its response has ended, and a connection whose other side does not
    answer is closed.
    """
    return {
        "per_connection_buffer_limit_bytes": 0,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "2s", "timeout": "3s"}}
                },
            }
        },
    }


def metadata_of(names: Names, role: Role) -> dict[str, str]:
    """What the collector is told of a stream whose role is fixed."""
    return {
        "x-mirrordiff-role": role.value,
        "x-mirrordiff-service": names.service,
        "x-mirrordiff-version": names.version(role),
    }


def told(role: Role) -> Json:
    """The filter that tells a mirrored copy its role, so that it can leave out what must happen once."""
    return {
        "name": "mirrordiff.role",
        "typed_config": {
            "@type": f"{TYPES}extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {
                "request_mutations": [
                    {
                        "append": {
                            "header": {"key": ROLE_HEADER, "value": role.value},
                            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                        }
                    }
                ]
            },
        },
    }
