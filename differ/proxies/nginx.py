"""nginx: it mirrors and stamps the pair; both versions post what they answered (``mirrordiff.asgi``).

nginx throws a mirror's answer away before anything of it could be kept, so the capture is taken where
the answer is made.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from differ.proxies.names import Names

_CONFIGURATION: Final = """\
events {}

http {
    upstream primary { server @{primary}; keepalive 32; }
    upstream shadow  { server @{shadow}; keepalive 32; }

    # A client's own x-request-id passes; one that is missing is made.
    map $http_x_request_id $id_of_request {
        default $http_x_request_id;
        ""      $request_id;
    }
    @{which}
    split_clients $request_id $mirrored {
        @{percent}% $to_shadow;
        *    "";
    }

    server {
        listen @{listen};

        location / {
            mirror /mirrordiff-shadow;
            proxy_pass http://primary;
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
            if ($mirrored = "") { return 204; }
            proxy_pass http://shadow$request_uri;
            proxy_http_version 1.1;
            proxy_set_header connection "";
            proxy_set_header host $http_host;
            proxy_set_header x-request-id $id_of_request;
            proxy_set_header x-mirrordiff-pair $request_id;
            proxy_set_header x-mirrordiff-role shadow;
            # A slow shadow must not keep the client's connection: nginx frees it after both have ended.
            proxy_read_timeout 30s;
        }
    }
}
"""

_SAFE: Final = """map $request_method $to_shadow {
        default "";
        ~^(GET|HEAD|OPTIONS)$ 1;
    }"""
_ALL: Final = """map $request_method $to_shadow { default 1; }"""


def configuration(names: Names) -> str:
    """A whole nginx.conf."""
    values = {
        "primary": urlsplit(names.primary).netloc,
        "shadow": urlsplit(names.shadow).netloc,
        "listen": str(names.listen),
        "percent": f"{names.percent:g}",
        "which": _ALL if names.unsafe else _SAFE,
    }
    text = _CONFIGURATION
    for name, value in values.items():
        text = text.replace(f"@{{{name}}}", value)
    return text
