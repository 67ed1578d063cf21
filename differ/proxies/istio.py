"""Istio and OpenShift Service Mesh: the sidecars of both versions capture, the mesh mirrors.

From Istio 1.24 on. Works whoever mirrors, and needs nothing of the service.
"""

from __future__ import annotations

from collections.abc import Sequence

from differ.core.model import Role
from differ.local.envoy_config import SAFE_METHODS
from differ.local.envoy_http import PAIR_HEADER, TYPES, Json
from differ.proxies.filters import MANAGER, ROUTER, capture, metadata_of, processing, reader, shipping, told
from differ.proxies.names import Names, Way


def documents(names: Names, way: Way) -> list[Json]:
    """Two EnvoyFilters, the mirroring VirtualService and its DestinationRule."""
    return [
        destination_rule(names),
        virtual_service(names, hosts=[names.service]),
        *(envoy_filter(names, role, _patches(names, way, role)) for role in (Role.PRIMARY, Role.SHADOW)),
    ]


def cluster_of(names: Names) -> str:
    """The collector, as Istio calls it. Its Service's port is to be named ``grpc``."""
    return f"outbound|{names.collector.port}||{names.collector.host}"


def envoy_filter(names: Names, role: Role, patches: list[Json]) -> Json:
    """The EnvoyFilter for the pods of one version."""
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {
            "name": f"mirrordiff-{names.service}-{role}",
            "namespace": names.namespace,
        },
        "spec": {
            "workloadSelector": {"labels": {"app": names.service, "version": names.version(role)}},
            "configPatches": patches,
        },
    }


def _patches(names: Names, way: Way, role: Role) -> list[Json]:
    cluster = cluster_of(names)
    patches = [before_router(told(role))] if role is Role.SHADOW else []
    if way is Way.ACCESS_LOG:
        return [*patches, before_router(capture(names)), _access_log(shipping(names, role, cluster))]
    sending = processing(cluster, metadata_of(names, role))
    return [*patches, before_router(sending), collector_patch(cluster, "SIDECAR_OUTBOUND")]


def before_router(one: Json) -> Json:
    """A patch that puts a filter last into what a pod's requests pass."""
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


def collector_patch(name: str, context: str) -> Json:
    """What the cluster of a collector that is sent exchanges needs."""
    return {
        "applyTo": "CLUSTER",
        "match": {"context": context, "cluster": {"name": name}},
        "patch": {"operation": "MERGE", "value": reader()},
    }


def virtual_service(names: Names, hosts: list[str], gateways: Sequence[str] = ()) -> Json:
    """The route that mirrors; within the mesh where no gateways are named."""
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
        "spec": {
            "hosts": hosts,
            **({"gateways": list(gateways)} if gateways else {}),
            "http": routes,
        },
    }


def destination_rule(names: Names) -> Json:
    """The subsets: which pods are which version."""
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
