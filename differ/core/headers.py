"""Headers and trailers, each compared by its own syntax.

What is never compared: hop-by-hop headers, those that a proxy or the clock writes, and ids of
requests and traces (:data:`UNCOMPARED`). They are no findings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from differ.core.lifting.media import parse_media
from differ.core.model import Headers, Kind
from differ.core.paths import Part, Path

UNCOMPARED: Final = frozenset(
    {
        # hop by hop (RFC 9110, 7.6.1)
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-authentication-info",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
        # the clock, the cache, the framing, and who answered
        "date", "age", "content-length", "server", "via", "server-timing",
        # ids of requests and traces
        "b3", "baggage", "cf-ray", "request-id", "sentry-trace", "traceparent", "traceresponse", "tracestate",
        "uber-trace-id", "x-amz-cf-id", "x-amz-id-2", "x-amz-request-id", "x-amzn-requestid",
        "x-amzn-trace-id",
        "x-b3-flags", "x-b3-parentspanid", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid",
        "x-cloud-trace-context", "x-correlation-id", "x-datadog-parent-id", "x-datadog-sampling-priority",
        "x-datadog-trace-id", "x-mirrordiff-pair", "x-ms-request-id", "x-request-id", "x-trace-id",
    }
)  # fmt: skip

_UNCOMPARED_PREFIX: Final = "x-envoy-"

_TOKEN_SETS: Final = frozenset(
    {
        "accept-ch", "accept-patch", "accept-post", "accept-ranges", "access-control-allow-headers",
        "access-control-expose-headers", "cache-control", "cdn-cache-control", "clear-site-data", "pragma",
        "surrogate-control", "vary",
    }
)  # fmt: skip
"""Lists whose order does not matter and whose tokens ignore case."""

_EXACT_SETS: Final = frozenset(
    {"access-control-allow-methods", "allow", "alt-svc", "link", "timing-allow-origin", "www-authenticate"}
)
"""Lists whose order does not matter and whose members are case-sensitive."""

_DIRECTIVES: Final = frozenset(
    {
        "content-security-policy",
        "content-security-policy-report-only",
        "permissions-policy",
        "strict-transport-security",
    }
)
"""Directives between semicolons, in any order."""

_MEDIA: Final = frozenset({"content-type"})

Difference = tuple[Path, Kind, object, object]
"""Path, kind, the primary's value and the shadow's, not yet capped."""


def compare_headers(part: Part, primary: Headers, shadow: Headers) -> list[Difference]:
    """The headers (or trailers) in which two responses differ, ordered by name.

    Names are equal whatever their case. Values of one name are compared in order, except where the
    header is a set. Empty if and only if they say the same.
    """
    if primary == shadow:
        return []
    lines_p, lines_s = dict(primary), dict(shadow)
    if len(lines_p) == len(primary) and len(lines_s) == len(shadow):
        # Dates and ids differ in every pair, so the usual case must end here: no line is looked at twice.
        names = {name.lower() for name, _ in lines_p.items() ^ lines_s.items()}
    else:
        names = {name.lower() for name, _ in (*primary, *shadow)}
    names = {name for name in names if name not in UNCOMPARED and not name.startswith(_UNCOMPARED_PREFIX)}
    if not names:
        return []
    names -= _named_by_connection(primary) | _named_by_connection(shadow)
    values_p, values_s = _by_name(primary, names), _by_name(shadow, names)
    found: list[Difference] = []
    for name in sorted(names):
        found += _compare(part, name, values_p.get(name, []), values_s.get(name, []))
    return found


def _by_name(headers: Headers, names: set[str]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() in names:
            values.setdefault(name.lower(), []).append(value)
    return values


def _named_by_connection(headers: Headers) -> set[str]:
    # RFC 9110, 7.6.1: what Connection lists is meant for the next hop alone.
    return {
        token.strip().lower() for name, value in headers if name == "connection" for token in value.split(",")
    }


def _compare(part: Part, name: str, primary: list[str], shadow: list[str]) -> list[Difference]:
    if name == "set-cookie":
        return _compare_cookies(part, primary, shadow)
    path = Path(part, name)
    if not shadow:
        return [(path, Kind.MISSING, _whole(primary), None)] if primary else []
    if not primary:
        return [(path, Kind.EXTRA, None, _whole(shadow))]
    meaning = _meaning(name)
    meant_p, meant_s = meaning(tuple(primary)), meaning(tuple(shadow))
    if meant_p == meant_s:
        return []
    reordered = (
        isinstance(meant_p, tuple) and isinstance(meant_s, tuple) and sorted(meant_p) == sorted(meant_s)
    )
    return [(path, Kind.ORDER if reordered else Kind.VALUE, _whole(primary), _whole(shadow))]


def _whole(values: list[str]) -> object:
    return values[0] if len(values) == 1 else list(values)


def _meaning(name: str) -> Callable[[tuple[str, ...]], object]:
    """What has to be equal for two headers of this name to be equal."""
    if name in _TOKEN_SETS:
        return _tokens
    if name in _EXACT_SETS:
        return _members
    if name in _DIRECTIVES:
        return _directives
    if name in _MEDIA:
        return lambda values: parse_media(values[0])
    return _lines


def _lines(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value.strip(" \t") for value in values)


def _tokens(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_unspaced(token).lower() for value in values for token in split_list(value))


def _members(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_unspaced(member) for value in values for member in split_list(value))


def _directives(values: tuple[str, ...]) -> frozenset[str]:
    return frozenset(" ".join(part.split()) for value in values for part in value.split(";") if part.strip())


def _unspaced(member: str) -> str:
    # White space around `=` and `;` is layout; that between words is not.
    return ";".join("=".join(map(str.strip, part.split("=", 1))) for part in member.split(";"))


@lru_cache(maxsize=1024)
def split_list(value: str) -> tuple[str, ...]:
    """The members of a comma-separated list, quoted strings and <URLs> kept whole, empty ones left out."""
    members: list[str] = []
    start, closer = 0, ""
    for position, char in enumerate(value):
        if closer:
            if char == closer and (char != '"' or value[position - 1] != "\\"):
                closer = ""
        elif char == '"':
            closer = '"'
        elif char == "<":
            closer = ">"
        elif char == ",":
            members.append(value[start:position].strip())
            start = position + 1
    members.append(value[start:].strip())
    return tuple(member for member in members if member)


def _compare_cookies(part: Part, primary: list[str], shadow: list[str]) -> list[Difference]:
    """One difference a cookie, at ``header.set-cookie.<name>``: attributes in any order and case."""
    cookies_p, cookies_s = _cookies(primary), _cookies(shadow)
    found: list[Difference] = []
    for name in sorted(cookies_p.keys() | cookies_s.keys()):
        path = Path(part, f"set-cookie.{name}")
        ours, theirs = cookies_p.get(name), cookies_s.get(name)
        if ours is None:
            found.append((path, Kind.EXTRA, None, _cookie_text(theirs)))
        elif theirs is None:
            found.append((path, Kind.MISSING, _cookie_text(ours), None))
        elif ours != theirs:
            found.append((path, Kind.VALUE, _cookie_text(ours), _cookie_text(theirs)))
    return found


_Cookie = tuple[tuple[str, frozenset[tuple[str, str]]], ...]
"""Each setting of one cookie: its value and its attributes."""


def _cookies(lines: list[str]) -> dict[str, _Cookie]:
    found: dict[str, _Cookie] = {}
    for line in lines:
        pair, *rest = line.split(";")
        name, _, value = pair.partition("=")
        attributes = frozenset(_attribute(text) for text in rest if text.strip())
        name = name.strip()
        found[name] = (*found.get(name, ()), (value.strip(), attributes))
    return found


def _attribute(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    name, value = name.strip().lower(), value.strip()
    # Domains and SameSite ignore case (RFC 6265); a leading dot of a domain is ignored too.
    if name in ("domain", "samesite"):
        value = value.lower()
    return name, value.removeprefix(".") if name == "domain" else value


def _cookie_text(settings: _Cookie | None) -> object:
    texts = [
        "; ".join([value, *(f"{name}={text}" if text else name for name, text in sorted(attributes))])
        for value, attributes in settings or ()
    ]
    return texts[0] if len(texts) == 1 else texts
