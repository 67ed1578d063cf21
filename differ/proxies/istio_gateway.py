"""Istio's ingress gateway: it mirrors, and captures both answers itself, so that nothing is needed at v2.

By external processing as an upstream filter of the gateway's router. The filter is the router's, and sees
every route of the gateway: the collector keeps what its clusters setting names and no other. Istio's
EnvoyFilter could put it on the two clusters instead, but would replace what Istio has set of their protocol.
"""

from __future__ import annotations

import re

from differ.core.model import Role
from differ.local.envoy_http import TYPES, Json
from differ.proxies import istio
from differ.proxies.filters import MANAGER, ROUTER, processing, told, upstream_filters
from differ.proxies.names import Names

NAMESPACE = "istio-system"
"""Of the gateway, where an EnvoyFilter for it has to be."""


def documents(names: Names) -> list[Json]:
    """DestinationRule, mirroring VirtualService, and two EnvoyFilters: the gateway's, and v2's.

    The second tells a copy that it is one, where v2 has a sidecar to do it; a gateway's routes cannot.
    """
    return [
        istio.destination_rule(names),
        istio.virtual_service(names, hosts=["*"], gateways=[names.gateway]),
        _at_gateway(names),
        istio.envoy_filter(names, Role.SHADOW, [istio.before_router(told(Role.SHADOW))]),
    ]


def cluster_of(names: Names, role: Role) -> str:
    """What the gateway calls the cluster of one version."""
    host = f"{names.service}.{names.namespace}.svc.cluster.local"
    return f"outbound|{names.port}|{names.version(role)}|{host}"


def clusters_setting(names: Names) -> str:
    """What the collector is told (MIRRORDIFF_CLUSTERS), whatever port it is that is mirrored."""
    return "; ".join(
        f"{_pattern(names, role)} => {role}/{names.service}/{names.version(role)}"
        for role in (Role.PRIMARY, Role.SHADOW)
    )


def _pattern(names: Names, role: Role) -> str:
    direction, _, version, host = map(re.escape, cluster_of(names, role).split("|"))
    return rf"{direction}\|[0-9]+\|{version}\|{host}"


def _at_gateway(names: Names) -> Json:
    cluster = istio.cluster_of(names)
    router = {
        "@type": f"{TYPES}extensions.filters.http.router.v3.Router",
        "upstream_http_filters": upstream_filters(processing(cluster, {}, upstream=True)),
    }
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": f"mirrordiff-{names.gateway}", "namespace": NAMESPACE},
        "spec": {
            "workloadSelector": {"labels": {"istio": "ingressgateway"}},
            "configPatches": [
                {
                    "applyTo": "HTTP_FILTER",
                    "match": {
                        "context": "GATEWAY",
                        "listener": {
                            "filterChain": {"filter": {"name": MANAGER, "subFilter": {"name": ROUTER}}}
                        },
                    },
                    "patch": {"operation": "MERGE", "value": {"name": ROUTER, "typed_config": router}},
                },
                istio.collector_patch(cluster, "GATEWAY"),
            ],
        },
    }
