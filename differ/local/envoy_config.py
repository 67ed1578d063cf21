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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from differ.core.model import Role
from differ.local.envoy_clusters import (
    collector_cluster,
    hop_cluster,
    service_cluster,
    system_ca_file,
)
from differ.local.envoy_http import (
    BODY_CAP,
    PAIR_HEADER,
    TYPES,
    Json,
    access_log,
    capture_filter,
    connection_manager,
    filter_chain,
    set_header,
    socket_address,
)
from differ.local.upstreams import Upstream
from mirrordiff.process.settings import Address

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

ROLE_HEADER = "x-mirrordiff-role"
_FORWARDED = "x-mirrordiff-forwarded-for"


@dataclass(frozen=True, slots=True)
class Topology:
    """What stands where. ``upstreams`` has the primary at least; ``admin`` is the path of a Unix socket.

    ``request_headers`` and, with ``request_bodies``, the bodies of requests are shipped beside the answers,
    for a collector that was told to keep them.

    ``ca_file`` has the certificates that https services are checked against.

    ``mirror_idle`` is for how long (as in ``30s``) a mirrored request may be silent before it is given up
    and recorded as one without response: shorter than the collector lets the primary's answer wait for
    it. The primary has no such limit, since a client may keep an event stream open as long as it likes.
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
    mirror_idle: str = "30s"
    request_headers: Sequence[str] = ()
    request_bodies: bool = False


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
                    "@type": f"{TYPES}extensions.bootstrap.internal_listener.v3.InternalListener"
                },
            }
        ],
        "static_resources": {
            "listeners": [
                _front(topology),
                *(capturing_listener(topology, role, address=None) for role in roles),
            ],
            "clusters": [
                *(hop_cluster(role) for role in roles),
                *(service_cluster(role.value, topology.upstreams[role], topology.ca_file) for role in roles),
                collector_cluster(topology.collector),
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
    action = _to_service(role, upstream)
    if mirrored:
        action["idle_timeout"] = topology.mirror_idle
    route: Json = {
        "name": role.value,
        "match": {"prefix": "/"},
        "route": action,
        "request_headers_to_remove": [ROLE_HEADER],
    }
    if mirrored:
        added = [set_header(ROLE_HEADER, role.value)]
        if address is None:
            # Mirroring appends this machine to x-forwarded-for; a service that shows its client's address
            # would differ for it.
            added.append(set_header("x-forwarded-for", f"%REQ({_FORWARDED})%"))
        route["request_headers_to_add"] = added
    version = topology.versions[role]
    manager = connection_manager(
        name,
        routes=[route],
        filters=[capture_filter(topology.body_cap, request_bodies=topology.request_bodies)],
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
        "access_log": [
            access_log(
                f"{role}/{topology.service}/{version}",
                request_headers=topology.request_headers,
                request_bodies=topology.request_bodies,
            )
        ],
    }
    listener: Json = {"name": name, "filter_chains": [filter_chain(manager)]}
    if address is None:
        listener["internal_listener"] = {}
    else:
        listener["address"] = socket_address(address)
    return listener


def _front(topology: Topology) -> Json:
    mirrors = [role for role in topology.upstreams if role is not Role.PRIMARY]
    mirrored: Json = {
        "name": "mirrored",
        "match": {"prefix": "/", "headers": [] if topology.unsafe else [_safe_method()]},
        "request_headers_to_add": [
            set_header(PAIR_HEADER, "%UNIQUE_ID%"),
            set_header(_FORWARDED, "%REQ(x-forwarded-for)%"),
        ],
        "route": {
            "cluster": f"hop-{Role.PRIMARY}",
            "timeout": "0s",
            "request_mirror_policies": [
                {"cluster": f"hop-{role}", "disable_shadow_host_suffix_append": True} for role in mirrors
            ],
        },
    }
    direct: Json = {
        "request_headers_to_remove": [PAIR_HEADER, ROLE_HEADER],
        "route": _to_service(Role.PRIMARY, topology.upstreams[Role.PRIMARY]),
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
    manager = connection_manager(
        "front",
        routes=[upgrade, mirrored, rest],
        filters=[],
        # It would be taken for the path that a hop rewrote.
        remove=["x-envoy-original-path"],
        suppress_envoy_headers=True,
    ) | {
        "codec_type": "AUTO",
        "use_remote_address": True,
        "preserve_external_request_id": True,
        "request_id_extension": {
            "typed_config": {
                "@type": f"{TYPES}extensions.request_id.uuid.v3.UuidRequestIdConfig",
                # It would rewrite one character of the id.
                "pack_trace_reason": False,
            }
        },
    }
    return {
        "name": "front",
        "address": socket_address(topology.listen),
        "filter_chains": [filter_chain(manager)],
    }


def _to_service(role: Role, upstream: Upstream) -> Json:
    action: Json = {"cluster": role.value, "timeout": "0s"}
    if upstream.own_authority is not None:
        action["host_rewrite_literal"] = upstream.own_authority
    if upstream.prefix:
        # Not prefix_rewrite, which would make `//` of a path that is just `/`.
        action["regex_rewrite"] = {"pattern": {"regex": "^/"}, "substitution": f"{upstream.prefix}/"}
    return action


def _safe_method() -> Json:
    return {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(SAFE_METHODS)}}}
