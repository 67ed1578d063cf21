"""Envoy Gateway: a Gateway API route that mirrors, and a patch by which the gateway captures both sides.

Envoy Gateway's own extension policies act on what the client gets, so the shadow's answers need the
filter on the clusters. Patches have to be allowed (``extensionApis.enableEnvoyPatchPolicy``).
"""

from __future__ import annotations

from differ.core.model import Role
from differ.local.envoy_config import ROLE_HEADER, SAFE_METHODS
from differ.local.envoy_http import PAIR_HEADER, Json
from differ.proxies.filters import processing, reader, told, upstream_filters
from differ.proxies.names import Names

COLLECTOR = "mirrordiff-collector"


def documents(names: Names) -> list[Json]:
    """HTTPRoute and EnvoyPatchPolicy."""
    return [_route(names), _patch(names)]


def clusters_setting(names: Names) -> str:
    """What the collector is told (MIRRORDIFF_CLUSTERS), by the names that Envoy Gateway gives clusters."""
    route = f"httproute/{names.namespace}/{names.service}/rule/[0-9]+"
    return (
        f"{route} => primary/{names.service}/{names.primary_version}; "
        f"{route}-mirror-0 => shadow/{names.service}/{names.shadow_version}"
    )


def patched_cluster(names: Names) -> str:
    """The cluster of the shadow, as Envoy Gateway names a rule's first mirror."""
    return f"httproute/{names.namespace}/{names.service}/rule/0-mirror-0"


def filters(role: Role) -> list[Json]:
    """What the cluster of one side is given; the shadow's tells a copy that it is one."""
    telling = [told(role)] if role is Role.SHADOW else []
    return upstream_filters(*telling, processing(COLLECTOR, {}, upstream=True))


def collector(names: Names) -> Json:
    """The cluster of the collector."""
    return {
        "name": COLLECTOR,
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 1_000_000,
                    "max_pending_requests": 1_000_000,
                    "max_requests": 1_000_000,
                }
            ]
        },
        **reader(),
        "load_assignment": {
            "cluster_name": COLLECTOR,
            "endpoints": [
                {
                    "lb_endpoints": [
                        {
                            "endpoint": {
                                "address": {
                                    "socket_address": {
                                        "address": names.collector.host,
                                        "port_value": names.collector.port,
                                    }
                                }
                            }
                        }
                    ]
                }
            ],
        },
    }


def _route(names: Names) -> Json:
    def backend(version: str) -> Json:
        return {"name": f"{names.service}-{version}", "port": names.port}

    mirrored: Json = {
        "filters": [
            {
                "type": "RequestHeaderModifier",
                "requestHeaderModifier": {
                    "set": [{"name": PAIR_HEADER, "value": "%UNIQUE_ID%"}],
                    "remove": [ROLE_HEADER],
                },
            },
            {
                "type": "RequestMirror",
                "requestMirror": {
                    "backendRef": backend(names.shadow_version),
                    "fraction": {"numerator": round(names.percent * 100), "denominator": 10_000},
                },
            },
        ],
        "backendRefs": [backend(names.primary_version)],
    }
    rules: list[Json] = [mirrored]
    if not names.unsafe:
        mirrored["matches"] = [{"method": method} for method in SAFE_METHODS]
        rules.append({"backendRefs": [backend(names.primary_version)]})
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": names.service, "namespace": names.namespace},
        "spec": {"parentRefs": [{"name": names.gateway}], "rules": rules},
    }


def _patch(names: Names) -> Json:
    kind = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    options = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    shadow = patched_cluster(names)
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyPatchPolicy",
        "metadata": {"name": f"mirrordiff-{names.service}", "namespace": names.namespace},
        "spec": {
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": names.gateway},
            "type": "JSONPatch",
            "jsonPatches": [
                {
                    "type": kind,
                    "name": COLLECTOR,
                    "operation": {"op": "add", "path": "", "value": collector(names)},
                },
                *(
                    {
                        "type": kind,
                        "name": cluster,
                        "operation": {
                            "op": "add",
                            "path": f"{options}/http_filters",
                            "value": filters(role),
                        },
                    }
                    for role, cluster in (
                        (Role.PRIMARY, shadow.removesuffix("-mirror-0")),
                        (Role.SHADOW, shadow),
                    )
                ),
            ],
        },
    }
