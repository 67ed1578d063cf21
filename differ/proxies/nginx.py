"""nginx with njs: it mirrors, and captures on a second server of its own before each version.

nginx throws a mirror's answer away before any filter of the mirroring location sees it, so each version is
reached through a server on the loopback whose filters copy what passes (``capture.njs``).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from differ.core.model import Role
from differ.proxies.names import Names

_GRPC, _HTTP = 8602, 8603

_CONFIGURATION: Final = """\
# nginx 1.21.4 or newer with the njs module 0.8 or newer, and capture.njs beside this file.
# load_module modules/ngx_http_js_module.so;

events {}

http {
    js_import capture from capture.njs;
    js_shared_dict_zone zone=mirrordiff:32m type=string timeout=60s;
    js_shared_dict_zone zone=mirrordiff_counts:32k type=number;
    js_var $mirrordiff_collector http://@{collector};
    # resolver 10.96.0.10;  # where the collector's name is looked up, unless it is an address

    # A client's own x-request-id passes; one that is missing is made.
    map $http_x_request_id $id_of_request {
        default $http_x_request_id;
        ""      $request_id;
    }

    # Which methods are mirrored, and how many of their requests.
    map $request_method $mirrored_method {
        @{methods} 1;
        default 0;
    }
    split_clients $request_id $mirrored_share {
        @{percent}% 1;
        * 0;
    }

    server {
        listen @{listen};

        location / {
            mirror /mirrordiff-shadow;
            proxy_pass http://127.0.0.1:@{primary_hop};
            proxy_http_version 1.1;
            proxy_set_header connection "";
            proxy_set_header host $http_host;
            proxy_set_header x-request-id $id_of_request;
            # New for each request, and the same on both sides.
            proxy_set_header x-mirrordiff-pair $request_id;
            proxy_set_header x-mirrordiff-role "";
        }

        location = /mirrordiff-shadow {
            internal;
            set $mirrored $mirrored_method$mirrored_share;
            if ($mirrored != 11) { return 204; }
            proxy_pass http://127.0.0.1:@{shadow_hop}$request_uri;
            proxy_http_version 1.1;
            proxy_set_header connection "";
            proxy_set_header host $http_host;
            proxy_set_header x-request-id $id_of_request;
            proxy_set_header x-mirrordiff-pair $request_id;
            proxy_set_header x-mirrordiff-role shadow;
        }
@{post}    }
@{hops}}
"""

_POST: Final = """
        location @mirrordiff {
            js_periodic capture.post interval=1s;
        }
"""

_HOP: Final = """
    server {
        listen 127.0.0.1:@{hop};
        set $mirrordiff_role @{role};
        set $mirrordiff_service @{service};
        set $mirrordiff_version @{version};

        location / {
            js_header_filter capture.headers;
            js_body_filter capture.body buffer_type=buffer;
            proxy_pass http://@{upstream};
            proxy_http_version 1.1;
            proxy_set_header connection "";
            proxy_set_header host $http_host;
            # The client waits for its own answer, and its connection then for the mirror's.
            proxy_read_timeout @{patience};
        }
    }
"""


def configuration(names: Names) -> str:
    """A whole nginx.conf."""
    hops = {Role.PRIMARY: names.listen.port + 1, Role.SHADOW: names.listen.port + 2}
    urls = {Role.PRIMARY: names.primary, Role.SHADOW: names.shadow}
    servers = [
        _filled(
            _HOP,
            hop=port,
            role=role.value,
            service=names.service,
            version=names.version(role),
            upstream=urlsplit(urls[role]).netloc,
            patience="30s" if role is Role.SHADOW else "300s",
        )
        for role, port in hops.items()
    ]
    return _filled(
        _CONFIGURATION,
        collector=f"{names.collector.host}:{_http_port(names.collector.port)}",
        methods="~." if names.unsafe else "~^(GET|HEAD|OPTIONS)$",
        percent=f"{names.percent:g}",
        listen=names.listen,
        primary_hop=hops[Role.PRIMARY],
        shadow_hop=hops[Role.SHADOW],
        post=_POST,
        hops="".join(servers),
    )


def _http_port(port: int) -> int:
    """Of the collector: the usual one beside the usual one for gRPC, and any other as it is given."""
    return _HTTP if port == _GRPC else port


def _filled(text: str, **values: object) -> str:
    for name, value in values.items():
        text = text.replace(f"@{{{name}}}", str(value))
    return text
