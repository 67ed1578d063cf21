"""Configuration as text: what ``mirrordiff envoy-config`` prints and ``deploy/`` has."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, assert_never

import yaml

from differ.core.model import Role
from differ.local.envoy_http import Json
from differ.proxies import envoy, gateway, istio, istio_gateway, nginx
from differ.proxies.names import Names, Way


class Kind(StrEnum):
    """A kind of proxy, and its place."""

    EDGE = "edge"
    PRIMARY_SIDECAR = "sidecar-primary"
    SHADOW_SIDECAR = "sidecar-shadow"
    ISTIO = "istio"
    ISTIO_GATEWAY = "istio-gateway"
    GATEWAY = "envoy-gateway"
    NGINX = "nginx"


DEPLOYED: Final[Mapping[str, tuple[Kind, Way]]] = {
    "envoy/edge-access-log.yaml": (Kind.EDGE, Way.ACCESS_LOG),
    "envoy/edge-ext-proc.yaml": (Kind.EDGE, Way.EXT_PROC),
    "envoy/sidecar-primary-access-log.yaml": (Kind.PRIMARY_SIDECAR, Way.ACCESS_LOG),
    "envoy/sidecar-shadow-access-log.yaml": (Kind.SHADOW_SIDECAR, Way.ACCESS_LOG),
    "istio/access-log.yaml": (Kind.ISTIO, Way.ACCESS_LOG),
    "istio/ext-proc.yaml": (Kind.ISTIO, Way.EXT_PROC),
    "istio/gateway-ext-proc.yaml": (Kind.ISTIO_GATEWAY, Way.EXT_PROC),
    "envoy-gateway/ext-proc.yaml": (Kind.GATEWAY, Way.EXT_PROC),
    "nginx/nginx.conf": (Kind.NGINX, Way.ACCESS_LOG),
}
"""The files below ``deploy/`` and what is in them, for the names that ``Names`` has by itself."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as yaml declares it
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def render(kind: Kind, way: Way, names: Names) -> str:
    """The configuration. Raises ValueError where this kind of proxy cannot do it that way."""
    match kind:
        case Kind.EDGE:
            setting = [envoy.clusters_setting(names)] if way is Way.EXT_PROC else []
            return _yaml([envoy.edge(names, way)], setting)
        case Kind.PRIMARY_SIDECAR:
            return _yaml([envoy.sidecar(names, way, Role.PRIMARY)], [])
        case Kind.SHADOW_SIDECAR:
            return _yaml([envoy.sidecar(names, way, Role.SHADOW)], [])
        case Kind.ISTIO:
            return _yaml(istio.documents(names, way), [])
        case Kind.ISTIO_GATEWAY:
            if way is not Way.EXT_PROC:
                raise ValueError(
                    "a gateway captures by ext-proc: no access log has what its mirror is answered"
                )
            return _yaml(istio_gateway.documents(names), [istio_gateway.clusters_setting(names)])
        case Kind.GATEWAY:
            if way is not Way.EXT_PROC:
                raise ValueError("Envoy Gateway captures by ext-proc: its policies reach no access log")
            return _yaml(gateway.documents(names), [gateway.clusters_setting(names)])
        case Kind.NGINX:
            if names.request_headers or names.request_bodies:
                raise ValueError("nginx captures answers alone: nothing of requests beside their line")
            return nginx.configuration(names)
    assert_never(kind)


def _yaml(documents: list[Json], clusters: list[str]) -> str:
    comment = "".join(f"# The collector needs: MIRRORDIFF_CLUSTERS='{one}'\n" for one in clusters)
    return comment + yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, width=100, explicit_start=len(documents) > 1
    )
