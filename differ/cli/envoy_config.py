"""``mirrordiff envoy-config``: configuration for the proxy that mirrors, for one's own names."""

from __future__ import annotations

from typing import Any

import click

from differ.proxies.names import Names, Way
from differ.proxies.render import Kind, render
from mirrordiff.process.settings import parse_address

_DEFAULT = Names()


def _address(_: click.Context, parameter: click.Parameter, text: str) -> Any:
    try:
        return parse_address(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None


def _choices(values: type[Kind | Way]) -> click.Choice[str]:
    return click.Choice([value.value for value in values])


@click.command("envoy-config")
@click.argument("kind", type=_choices(Kind))
@click.option(
    "--way", type=_choices(Way), help="How captures leave the proxy; access-log where it can be done."
)
@click.option("--service", default=_DEFAULT.service, show_default=True, help="The mirrored service.")
@click.option("--namespace", default=_DEFAULT.namespace, show_default=True, help="Of the service.")
@click.option("--port", type=click.IntRange(1, 65535), default=_DEFAULT.port, show_default=True)
@click.option("--primary", default=_DEFAULT.primary, show_default=True, metavar="URL")
@click.option("--shadow", default=_DEFAULT.shadow, show_default=True, metavar="URL")
@click.option("--primary-version", default=_DEFAULT.primary_version, show_default=True)
@click.option("--shadow-version", default=_DEFAULT.shadow_version, show_default=True)
@click.option("--collector", default=str(_DEFAULT.collector), show_default=True, callback=_address)
@click.option("--listen", default=str(_DEFAULT.listen), show_default=True, callback=_address)
@click.option("--percent", type=click.FloatRange(0, 100), default=_DEFAULT.percent, show_default=True)
@click.option("--unsafe", is_flag=True, help="Mirror methods that may write, too.")
@click.option("--gateway", default=_DEFAULT.gateway, show_default=True, help="Where requests come in.")
@click.option(
    "--request-header",
    "request_headers",
    multiple=True,
    metavar="NAME",
    help="Capture this header of requests. The collector keeps those in MIRRORDIFF_REQUEST_HEADERS.",
)
@click.option(
    "--request-bodies",
    is_flag=True,
    help="Capture the bodies of requests. The collector keeps them with MIRRORDIFF_REQUEST_BODIES=true.",
)
def envoy_config(kind: str, way: str | None, **names: Any) -> None:
    """Print configuration that mirrors a service's requests and captures both answers.

    edge: a plain Envoy in front of both versions. sidecar-primary, sidecar-shadow: a plain Envoy in front
    of one. istio: the sidecars of both. istio-gateway, envoy-gateway, nginx: a proxy in front of both.
    """
    usual = Way.EXT_PROC if kind in (Kind.GATEWAY, Kind.ISTIO_GATEWAY) else Way.ACCESS_LOG
    chosen = Way(way) if way else usual
    try:
        text = render(Kind(kind), chosen, Names(**names))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(text, nl=False)
