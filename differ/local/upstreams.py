"""What the URL of a service means: where to connect, in which protocol, under which name."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from mirrordiff.process.settings import Address

DEFAULT_PORTS = {"http": 80, "https": 443, "h2c": 80, "grpc": 80}
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(?:\.{_LABEL})*\.?\Z")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*\Z")


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service behind the proxy.

    ``tls`` stands for https; ``http2`` for HTTP/2 without TLS and by prior knowledge (``h2c://``, and
    ``grpc://`` as another word for it). ``prefix`` is put before each request's path: empty, or
    with a leading and without a trailing slash.
    """

    host: str
    port: int
    prefix: str = ""
    tls: bool = False
    http2: bool = False

    @property
    def address(self) -> Address:
        return Address(self.host, self.port)

    @property
    def is_ip(self) -> bool:
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def is_loopback(self) -> bool:
        if self.is_ip:
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost" or self.host.endswith(".localhost")

    @property
    def own_authority(self) -> str | None:
        """The Host header the service must see, or None where it may see the client's.

        A name that is looked up in DNS usually picks the virtual host and, with TLS, the certificate.
        An IP address or localhost picks nothing, and there the client's own Host reaches both
        services, so that the links they build are the same.
        """
        if not self.tls and (self.is_ip or self.is_loopback):
            return None
        default = DEFAULT_PORTS["https" if self.tls else "http"]
        return str(self.address) if self.port != default else str(self.address).rpartition(":")[0]


def parse_upstream(url: str) -> Upstream:
    """The service that a URL names. Raises ValueError that says what is wrong and what would be right."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ValueError("has no scheme: write http://host:port (or https, h2c, grpc)")
    if scheme.lower() not in DEFAULT_PORTS:
        raise ValueError("has a scheme that is none of http, https, h2c, grpc")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not a URL: write http://host:port, a port being 1 to 65535") from None
    if "@" in parts.netloc:
        raise ValueError("has a user or password in it, which cannot be passed on")
    if "?" in url:
        raise ValueError("has a query; each request brings its own")
    if "#" in url:
        raise ValueError("has a fragment, which no server ever sees")
    if not host:
        raise ValueError("has no host")
    if port == 0:
        raise ValueError("has port 0")
    upstream = Upstream(
        host=host,
        port=port or DEFAULT_PORTS[parts.scheme],
        prefix=parts.path.rstrip("/"),
        tls=parts.scheme == "https",
        http2=parts.scheme in {"h2c", "grpc"},
    )
    if not upstream.is_ip and not _HOST.match(host):
        raise ValueError("has a host that is neither a name nor an IP address")
    if not _PATH.match(parts.path):
        raise ValueError("has a path with characters that must be written as %XX")
    return upstream
