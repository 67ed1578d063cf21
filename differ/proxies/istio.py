"""Istio and OpenShift Service Mesh: the sidecars of both versions capture, the mesh mirrors.

From Istio 1.24 on. Works whoever mirrors, and needs nothing of the service.
"""

from __future__ import annotations

from differ.core.model import Role
from differ.local.envoy_config import SAFE_METHODS
from differ.local.envoy_http import PAIR_HEADER, TYPES, Json
from differ.proxies.filters import MANAGER, ROUTER, capture, metadata_of, processing, reader, shipping, told
from differ.proxies.names import Names, Way


def documents(names: Names, way: Way) -> list[Json]:
    """Two EnvoyFilters, the mirroring VirtualService and its DestinationRule."""
    return [
        _destination_rule(names),
        _virtual_service(names),
        _envoy_filter(names, way, Role.PRIMARY),
        _envoy_filter(names, way, Role.SHADOW),
    ]


def cluster_of(names: Names) -> str:
    """The collector, as Istio calls it. Its Service's port is to be named ``grpc``."""
    return f"outbound|{names.collector.port}||{names.collector.host}"


def _envoy_filter(names: Names, way: Way, role: Role) -> Json:
    cluster, version = cluster_of(names), names.version(role)
    filters = [told(role)] if role is Role.SHADOW else []
    if way is Way.ACCESS_LOG:
        filters.append(capture(names))
    else:
        filters.append(processing(cluster, metadata_of(names, role)))
    patches = [_before_router(one) for one in filters]
    if way is Way.ACCESS_LOG:
        patches.append(_access_log(shipping(names, role, cluster)))
    else:
        patches.append(_cluster(cluster))
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {
            "name": f"mirrordiff-{names.service}-{role}",
            "namespace": names.namespace,
        },
        "spec": {
            "workloadSelector": {"labels": {"app": names.service, "version": version}},
            "configPatches": patches,
        },
    }


def _before_router(one: Json) -> Json:
    return {
        "applyTo": "HTTP_FILTER",
        "match": {
            "context": "SIDECAR_INBOUND",
            "listener": {"filterChain": {"filter": {"name": MANAGER, "subFilter": {"name": ROUTER}}}},
        },
        "patch": {"operation": "INSERT_BEFORE", "value": one},
    }


def _access_log(log: Json) -> Json:
    manager = {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "access_log": [log],
    }
    return {
        "applyTo": "NETWORK_FILTER",
        "match": {
            "context": "SIDECAR_INBOUND",
            "listener": {"filterChain": {"filter": {"name": MANAGER}}},
        },
        "patch": {"operation": "MERGE", "value": {"name": MANAGER, "typed_config": manager}},
    }


def _cluster(name: str) -> Json:
    return {
        "applyTo": "CLUSTER",
        "match": {"context": "SIDECAR_OUTBOUND", "cluster": {"name": name}},
        "patch": {"operation": "MERGE", "value": reader()},
    }


def _virtual_service(names: Names) -> Json:
    primary = [{"destination": {"host": names.service, "subset": names.primary_version}}]
    mirrored: Json = {
        "name": "mirrored",
        "headers": {"request": {"set": {PAIR_HEADER: "%UNIQUE_ID%"}}},
        "route": primary,
        "mirrors": [
            {
                "destination": {"host": names.service, "subset": names.shadow_version},
                "percentage": {"value": names.percent},
            }
        ],
    }
    routes: list[Json] = [mirrored]
    if not names.unsafe:
        mirrored["match"] = [{"method": {"exact": method}} for method in SAFE_METHODS]
        routes.append(
            {
                "name": "not-mirrored",
                "headers": {"request": {"remove": [PAIR_HEADER]}},
                "route": primary,
            }
        )
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": names.service, "namespace": names.namespace},
        "spec": {"hosts": [names.service], "http": routes},
    }


def _destination_rule(names: Names) -> Json:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": names.service, "namespace": names.namespace},
        "spec": {
            "host": names.service,
            "subsets": [
                {"name": version, "labels": {"version": version}}
                for version in (names.primary_version, names.shadow_version)
            ],
        },
    }
