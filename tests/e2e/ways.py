"""Every way in on a real Envoy: a proxy that mirrors and captures, a collector, and what it made of it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from collector.clusters import Clusters
from collector.intake import Intake
from collector.listener import Listener
from collector.metrics import Metrics
from collector.redaction import Redaction
from collector.settings import CollectorSettings
from collector.sink import Sink
from differ.core.model import Role
from differ.local.envoy_clusters import collector_cluster, service_cluster
from differ.local.envoy_config import ROLE_HEADER
from differ.local.envoy_http import (
    PAIR_HEADER,
    Json,
    connection_manager,
    filter_chain,
    set_header,
    socket_address,
)
from differ.local.ports import free_ports
from differ.local.upstreams import parse_upstream
from differ.proxies import envoy as plain
from differ.proxies import gateway, istio, istio_gateway
from differ.proxies.names import Names, Way
from differ.proxies.render import Kind, render
from mirrordiff.process.redis import connect
from mirrordiff.process.settings import Address
from mirrordiff.redis_keys import PARTITIONS, partition_key
from mirrordiff.v1.capture_pb2 import Capture
from tests.local.harness import envoy
from tests.waiting import eventually

WAYS = ("edge-access-log", "edge-ext-proc", "istio-access-log", "istio-ext-proc", "gateway-ext-proc")

CONFIGURED = (*WAYS, "istio-gateway-ext-proc")
"""With what is the same in Envoy as another one, and is configured in another way only."""


@dataclass
class Pair:
    """What was handed on: both captures, and whether the key was used by more than one request."""

    kind: str
    primary: Capture
    shadow: Capture


class Collecting:
    """A collector, and what it has handed on."""

    def __init__(self, address: Address, metrics: Metrics, redis: Any) -> None:
        self.address = address
        self.metrics = metrics
        self.redis = redis

    async def pairs(self) -> list[Pair]:
        keys = [partition_key("ready", number) for number in range(PARTITIONS)]
        streams = [await self.redis.xrange(key) for key in keys]
        return [
            Pair(fields[b"k"].decode(), Capture.FromString(fields[b"p"]), Capture.FromString(fields[b"s"]))
            for stream in streams
            for _, fields in stream
        ]

    async def pair_of(self, path: str) -> Pair:
        """The one pair of a path."""

        async def found() -> list[Pair]:
            return [pair for pair in await self.pairs() if pair.primary.path == path]

        (pair,) = await eventually(
            found, f"a pair of {path}; so far {self.metrics.ended} {self.metrics.dropped}"
        )
        return pair


@contextlib.asynccontextmanager
async def collecting(redis_url: str, redis: Any, **settings: Any) -> AsyncIterator[Collecting]:
    """A collector on a port of its own, in this process."""
    configured = CollectorSettings(redis_url=redis_url, **settings)
    metrics = Metrics()
    store = connect(redis_url, name="test-collector")
    sink = Sink(store, configured, metrics)
    intake = Intake(sink, Redaction(), configured.body_cap, metrics)
    listener = Listener(intake, Clusters(configured.clusters), configured.exchange_time)
    port = await listener.start(Address("127.0.0.1", 0))
    writer = asyncio.create_task(sink.run())
    try:
        yield Collecting(Address("127.0.0.1", port), metrics, redis)
    finally:
        await listener.stop()
        sink.close()
        await writer
        await store.aclose()


@dataclass
class Mirror:
    """An Envoy that mirrors: where it listens, and the socket of its administration."""

    url: str
    admin: Path


def clusters(way: str) -> str:
    """The setting that the collector needs for a way in."""
    names = Names()
    if way == "edge-ext-proc":
        return plain.clusters_setting(names)
    if way == "istio-gateway-ext-proc":
        return istio_gateway.clusters_setting(names)
    return gateway.clusters_setting(names) if way == "gateway-ext-proc" else ""


@contextlib.asynccontextmanager
async def mirroring(
    way: str,
    collector: Address,
    primary: str,
    shadow: str,
    stock: tuple[int, str] | None = None,
    **further: Any,
) -> AsyncIterator[Mirror]:
    """A real Envoy with the configuration that is shipped for a way in.

    ``stock`` is a port for the sidecar of a third service, and that service's URL.
    """
    port, *inbound = free_ports(3)
    names = Names(
        primary=primary, shadow=shadow, collector=collector, listen=Address("127.0.0.1", port), **further
    )
    if way.startswith("edge"):
        config = yaml.safe_load(render(Kind.EDGE, Way(way.removeprefix("edge-")), names))
    elif way == "istio-gateway-ext-proc":
        text = render(Kind.ISTIO_GATEWAY, Way.EXT_PROC, names)
        config = mesh_gateway(list(yaml.safe_load_all(text)), names, inbound[1])
    elif way.startswith("istio"):
        text = render(Kind.ISTIO, Way(way.removeprefix("istio-")), names)
        config = mesh(list(yaml.safe_load_all(text)), names, inbound)
    else:
        config = gatewayed(list(yaml.safe_load_all(render(Kind.GATEWAY, Way.EXT_PROC, names))), names)
    add_routes(config, primary)
    if stock is not None:
        add_stock(config, collector, *stock)
    async with envoy(config) as admin:
        yield Mirror(f"http://127.0.0.1:{port}", admin)


def add_routes(config: Any, url: str) -> None:
    """What users add to the route that mirrors: retries, one for slow answers, one that stamps no pair.

    And a route to what is nobody's candidate.
    """
    elsewhere = service_cluster("elsewhere", parse_upstream(url), plain.CA_FILE)
    config["static_resources"]["clusters"].append(elsewhere)
    for one in config["static_resources"]["listeners"]:
        (host,) = one["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"]
        mirrored = [route for route in host["routes"] if "request_mirror_policies" in route["route"]]
        if not mirrored:
            continue
        host["include_request_attempt_count"] = True
        (route,) = mirrored
        route["route"]["retry_policy"] = {
            "retry_on": "retriable-status-codes",
            "retriable_status_codes": [503],
        }
        late, unstamped, other = (
            copy.deepcopy(route) | {"match": {"prefix": f"/{name}"}, "name": name}
            for name in ("late", "unstamped", "elsewhere")
        )
        late["route"]["timeout"] = "1s"
        del unstamped["request_headers_to_add"]
        other["route"] = {"cluster": "elsewhere"}
        host["routes"][:0] = [late, unstamped, other]


def add_stock(config: Any, collector: Address, port: int, url: str) -> None:
    """A sidecar that captures for another service, which both versions call."""
    names = Names(service="stock", collector=collector)
    documents = yaml.safe_load_all(render(Kind.ISTIO, Way.ACCESS_LOG, names))
    filters = {one["metadata"]["name"]: one for one in documents if one["kind"] == "EnvoyFilter"}
    patches = filters["mirrordiff-stock-primary"]["spec"]["configPatches"]
    resources = config["static_resources"]
    resources["listeners"].append(inbound_listener("stock", port, patches, {}))
    resources["clusters"].append(service_cluster("stock", parse_upstream(url), plain.CA_FILE))
    if istio.cluster_of(names) not in {one["name"] for one in resources["clusters"]}:
        resources["clusters"].append(collector_cluster(collector) | {"name": istio.cluster_of(names)})


def mesh(documents: Sequence[Any], names: Names, inbound: Sequence[int]) -> Json:
    """As Istio makes of the documents: two inbound listeners with the patches, and one that mirrors."""
    filters = {one["metadata"]["name"]: one for one in documents if one["kind"] == "EnvoyFilter"}
    (virtual,) = [one for one in documents if one["kind"] == "VirtualService"]
    collector = collector_cluster(names.collector) | {"name": istio.cluster_of(names)}
    listeners = []
    for role, port in zip((Role.PRIMARY, Role.SHADOW), inbound, strict=True):
        patches = filters[f"mirrordiff-orders-{role}"]["spec"]["configPatches"]
        listeners.append(inbound_listener(role.value, port, patches, collector))
    stamped = stamped_by(virtual)
    listeners.append(front(names, stamped, "inbound-primary", "inbound-shadow"))
    ca = plain.CA_FILE
    urls = {"primary": names.primary, "shadow": names.shadow}
    urls |= {f"inbound-{name}": f"h2c://127.0.0.1:{port}" for name, port in zip(urls, inbound, strict=True)}
    services = [service_cluster(name, parse_upstream(url), ca) for name, url in urls.items()]
    return {"static_resources": {"listeners": listeners, "clusters": [*services, collector]}}


def inbound_listener(name: str, port: int, patches: Sequence[Any], collector: Json) -> Json:
    """A sidecar's, as Istio makes it of an EnvoyFilter; patches the collector's cluster, too."""
    route: Json = {"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}
    manager = connection_manager(name, routes=[route], filters=[], suppress_envoy_headers=False)
    manager |= {"codec_type": "AUTO", "generate_request_id": False, "preserve_external_request_id": True}
    for patch in patches:
        value = patch["patch"]["value"]
        if patch["applyTo"] == "CLUSTER":
            assert patch["match"]["cluster"]["name"] == collector["name"]
            collector |= value
            continue
        assert patch["match"]["context"] == "SIDECAR_INBOUND"
        if patch["applyTo"] == "HTTP_FILTER":
            assert patch["patch"]["operation"] == "INSERT_BEFORE"
            manager["http_filters"].insert(-1, value)  # type: ignore[attr-defined]
        else:
            assert patch["patch"]["operation"] == "MERGE"
            manager["access_log"] = value["typed_config"]["access_log"]
    if name == Role.SHADOW:
        # It samples traces and v1's does not: that changes a digit of each request's id.
        manager["tracing"] = {"random_sampling": {"value": 100}}
    return listener(name, Address("127.0.0.1", port), manager)


def stamped_by(virtual: Any) -> list[Json]:
    """The headers that a VirtualService sets on what it mirrors."""
    mirrored, *_ = virtual["spec"]["http"]
    return [set_header(*pair) for pair in mirrored["headers"]["request"]["set"].items()]


def mesh_gateway(documents: Sequence[Any], names: Names, inbound: int) -> Json:
    """As Istio makes of the documents: a gateway that mirrors and captures, and v2's sidecar."""
    filters = {one["metadata"]["name"]: one for one in documents if one["kind"] == "EnvoyFilter"}
    (virtual,) = [one for one in documents if one["kind"] == "VirtualService"]
    assert virtual["spec"]["gateways"] == [names.gateway]
    primary, shadow = (istio_gateway.cluster_of(names, role) for role in (Role.PRIMARY, Role.SHADOW))
    collector = collector_cluster(names.collector) | {"name": istio.cluster_of(names)}
    at_gateway = front(names, stamped_by(virtual), primary, shadow)
    manager: Any = at_gateway["filter_chains"][0]["filters"][0]["typed_config"]  # type: ignore[index]
    for patch in filters[f"mirrordiff-{names.gateway}"]["spec"]["configPatches"]:
        assert (patch["match"]["context"], patch["patch"]["operation"]) == ("GATEWAY", "MERGE")
        value = patch["patch"]["value"]
        if patch["applyTo"] == "CLUSTER":
            collector |= value
        else:
            assert manager["http_filters"][-1]["name"] == value["name"]
            manager["http_filters"][-1]["typed_config"] |= value["typed_config"]
    patches = filters["mirrordiff-orders-shadow"]["spec"]["configPatches"]
    listeners = [at_gateway, inbound_listener(Role.SHADOW.value, inbound, patches, collector)]
    urls = {primary: names.primary, shadow: f"h2c://127.0.0.1:{inbound}", Role.SHADOW.value: names.shadow}
    services = [service_cluster(name, parse_upstream(url), plain.CA_FILE) for name, url in urls.items()]
    return {"static_resources": {"listeners": listeners, "clusters": [*services, collector]}}


def gatewayed(documents: Sequence[Any], names: Names) -> Json:
    """As Envoy Gateway makes of the documents: a cluster for the rule, one for its mirror, patched."""
    route, policy = documents
    modifier = route["spec"]["rules"][0]["filters"][0]["requestHeaderModifier"]
    stamped = [set_header(one["name"], one["value"]) for one in modifier["set"]]
    shadow = gateway.patched_cluster(names)
    primary = shadow.removesuffix("-mirror-0")
    services = {
        name: service_cluster(name, parse_upstream(url), plain.CA_FILE)
        for name, url in ((primary, names.primary), (shadow, names.shadow))
    }
    for patch in policy["spec"]["jsonPatches"]:
        operation = patch["operation"]
        if not operation["path"]:
            services[patch["name"]] = operation["value"]
            continue
        *steps, last = operation["path"].removeprefix("/").split("/")
        place: Any = services[patch["name"]]
        for step in steps:
            place = place[step]
        place[last] = operation["value"]
    listeners = [front(names, stamped, primary, shadow)]
    return {"static_resources": {"listeners": listeners, "clusters": list(services.values())}}


def front(names: Names, stamped: list[Json], primary: str, shadow: str) -> Json:
    """The listener that mirrors, for those whose control plane would make it."""
    mirror = {
        "cluster": shadow,
        "disable_shadow_host_suffix_append": True,
        "runtime_fraction": {"default_value": {"numerator": round(names.percent), "denominator": "HUNDRED"}},
    }
    route: Json = {
        "match": {"prefix": "/"},
        "request_headers_to_add": stamped,
        "route": {
            "cluster": primary,
            "timeout": "0s",
            "request_mirror_policies": [mirror],
        },
    }
    manager = connection_manager("front", routes=[route], filters=[], suppress_envoy_headers=False)
    manager |= {"codec_type": "AUTO", "use_remote_address": True, "preserve_external_request_id": True}
    return listener("front", names.listen, manager)


def listener(name: str, address: Address, manager: Json) -> Json:
    return {"name": name, "address": socket_address(address), "filter_chains": [filter_chain(manager)]}


__all__ = [
    "CONFIGURED",
    "PAIR_HEADER",
    "ROLE_HEADER",
    "WAYS",
    "Collecting",
    "Pair",
    "clusters",
    "collecting",
    "mirroring",
]
