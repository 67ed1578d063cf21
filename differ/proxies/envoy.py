"""Plain Envoy: an edge that mirrors and captures, and a sidecar that captures for one side."""

from __future__ import annotations

from pathlib import Path

from differ.core.model import Role
from differ.local import envoy_config
from differ.local.envoy_clusters import collector_cluster, service_cluster
from differ.local.envoy_config import ROLE_HEADER, SAFE_METHODS, Topology
from differ.local.envoy_http import (
    COLLECTOR,
    PAIR_HEADER,
    Json,
    connection_manager,
    filter_chain,
    set_header,
    socket_address,
)
from differ.local.upstreams import parse_upstream
from differ.proxies.filters import metadata_of, processing, reader, upstream_filters
from differ.proxies.names import Names, Way
from mirrordiff.process.settings import Address

CA_FILE = "/etc/ssl/certs/ca-certificates.crt"

_ADMIN: Json = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9901}}}


def edge(names: Names, way: Way) -> Json:
    """The proxy in front of both versions: it mirrors, and sees both answers."""
    if way is Way.EXT_PROC:
        return _edge_by_processing(names)
    whole = envoy_config.bootstrap(_topology(names))
    whole["admin"] = _ADMIN
    resources = whole["static_resources"]
    assert isinstance(resources, dict)  # noqa: S101 - as bootstrap makes it
    resources["clusters"] = [
        *(one for one in resources["clusters"] if one["name"] != COLLECTOR),
        _collector(names.collector, way),
    ]
    front = resources["listeners"][0]
    manager = front["filter_chains"][0]["filters"][0]["typed_config"]
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        for policy in route["route"].get("request_mirror_policies", []):
            policy["runtime_fraction"] = _fraction(names.percent)
    return whole


def sidecar(names: Names, way: Way, role: Role) -> Json:
    """The proxy in front of one version, whoever mirrors."""
    listener = envoy_config.capturing_listener(_topology(names), role, names.listen)
    if way is Way.EXT_PROC:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]  # type: ignore[index]
        manager["http_filters"][0] = processing(COLLECTOR, metadata_of(names, role))
        del manager["access_log"]
    return _bootstrap(names, way, [listener], [_service(names, role)])


def clusters_setting(names: Names) -> str:
    """What the collector is told (MIRRORDIFF_CLUSTERS), for the edge that sends everything it sees."""
    return (
        f"primary => primary/{names.service}/{names.primary_version}; "
        f"shadow => shadow/{names.service}/{names.shadow_version}"
    )


def _topology(names: Names) -> Topology:
    return Topology(
        listen=names.listen,
        admin=Path("unused"),
        collector=names.collector,
        upstreams={role: parse_upstream(url) for role, url in _urls(names).items()},
        versions={role: names.version(role) for role in Role},
        service=names.service,
        unsafe=names.unsafe,
        request_headers=names.request_headers,
        request_bodies=names.request_bodies,
        ca_file=CA_FILE,
    )


def _urls(names: Names) -> dict[Role, str]:
    return {Role.PRIMARY: names.primary, Role.SHADOW: names.shadow}


def _edge_by_processing(names: Names) -> Json:
    safe: Json = {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(SAFE_METHODS)}}}
    mirrored: Json = {
        "name": "mirrored",
        "match": {"prefix": "/", "headers": [] if names.unsafe else [safe]},
        "request_headers_to_add": [set_header(PAIR_HEADER, "%UNIQUE_ID%")],
        "request_headers_to_remove": [ROLE_HEADER],
        "route": {
            "cluster": "primary",
            "timeout": "0s",
            "request_mirror_policies": [
                {
                    "cluster": "shadow",
                    "runtime_fraction": _fraction(names.percent),
                    "disable_shadow_host_suffix_append": True,
                    "request_headers_mutations": [{"append": set_header(ROLE_HEADER, Role.SHADOW.value)}],
                }
            ],
        },
    }
    rest: Json = {
        "name": "not-mirrored",
        "match": {"prefix": "/"},
        "request_headers_to_remove": [PAIR_HEADER, ROLE_HEADER],
        "route": {"cluster": "primary", "timeout": "0s"},
    }
    manager = connection_manager("front", routes=[mirrored, rest], filters=[], suppress_envoy_headers=True)
    manager |= {"codec_type": "AUTO", "use_remote_address": True, "preserve_external_request_id": True}
    listener: Json = {
        "name": "front",
        "address": socket_address(names.listen),
        "filter_chains": [filter_chain(manager)],
    }
    clusters = [_service(names, role) for role in _urls(names)]
    for cluster in clusters:
        options = cluster["typed_extension_protocol_options"]
        assert isinstance(options, dict)  # noqa: S101 - as service_cluster makes it
        # On the clusters and not on the router, so that nothing but these two is sent.
        options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["http_filters"] = upstream_filters(
            processing(COLLECTOR, {}, upstream=True)
        )
    return _bootstrap(names, Way.EXT_PROC, [listener], clusters)


def _service(names: Names, role: Role) -> Json:
    return service_cluster(role.value, parse_upstream(_urls(names)[role]), CA_FILE)


def _bootstrap(names: Names, way: Way, listeners: list[Json], clusters: list[Json]) -> Json:
    return {
        "node": {"id": "mirrordiff", "cluster": names.service},
        "admin": _ADMIN,
        "static_resources": {
            "listeners": listeners,
            "clusters": [*clusters, _collector(names.collector, way)],
        },
    }


def _collector(address: Address, way: Way) -> Json:
    cluster = collector_cluster(address) | {"type": "STRICT_DNS"}
    return cluster | reader() if way is Way.EXT_PROC else cluster


def _fraction(percent: float) -> Json:
    return {"default_value": {"numerator": round(percent * 10_000), "denominator": "MILLION"}}
