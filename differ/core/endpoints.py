"""From a request line to its endpoint: ``GET /orders/8812?full=1`` belongs to ``GET /orders/{id}``.

Route templates are given (a list, or the paths of an OpenAPI document) or recognised by the shape
of each segment. Recognition looks at nothing but the path itself, so every process gives the same
path the same template, whatever it has seen before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import yaml

OTHER: Final = "_other"
"""The endpoint of everything beyond the bound."""

LIMIT: Final = 200
"""Recognised endpoints of one session. People read them, and every one takes evidence of its own."""

_METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)
_SEGMENTS: Final = 16
_PARAMETER = re.compile(r"\{[^{}/]*\}")
_COLON = re.compile(r"(?<=/):([A-Za-z_]\w*)(?=/|$)")  # `/orders/:id`, as many routers write it


class TemplateError(Exception):
    """Templates that cannot be used. ``problems`` has a line for each fault."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Templates:
    """Gives each request its endpoint, at most ``limit`` recognised ones, the rest ``_other``.

    Given templates win over recognition, are always kept and do not count towards the limit; among
    those that match, the one with a literal at the first place where they differ wins, and one with
    a method over one without. Recognised endpoints are kept first come, first served: one process
    holds at most ``limit``. Several processes agree where each tells of those that are ``fresh`` before
    it counts anything under them, and is told which ones there are once the bound is reached (``close``).
    """

    def __init__(self, given: Iterable[str] = (), *, known: Iterable[str] = (), limit: int = LIMIT) -> None:
        self._routes: dict[int, list[_Route]] = {}
        self._given: tuple[str, ...] = tuple(given)
        problems: list[str] = []
        for template in self._given:
            try:
                route = _Route.parse(template)
            except ValueError as error:
                problems.append(str(error))
            else:
                self._routes.setdefault(len(route.segments), []).append(route)
        if problems:
            raise TemplateError(problems)
        for routes in self._routes.values():
            routes.sort(key=_Route.order)
        self._limit = limit
        self._known: dict[str, None] = {}
        self._fresh: list[str] = []
        for endpoint in known:
            self._admit(endpoint)
        self._fresh.clear()
        self._cached = lru_cache(maxsize=16_384)(self._endpoint_of)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The recognised endpoints kept so far, in the order in which they were seen."""
        return tuple(self._known)

    @property
    def fresh(self) -> tuple[str, ...]:
        """The endpoints recognised since they were last settled."""
        return tuple(self._fresh)

    def settled(self) -> None:
        """All endpoints recognised so far are agreed upon."""
        self._fresh.clear()

    def close(self, known: Iterable[str]) -> None:
        """Keep exactly these recognised endpoints from now on; every other one is ``_other``."""
        self._known = dict.fromkeys(known)
        self._limit = len(self._known)
        self._fresh.clear()
        self._cached.cache_clear()

    def endpoint_of(self, method: str, path: str) -> str:
        """The endpoint, such as ``GET /orders/{id}``, or ``_other``. Total: no request makes it raise."""
        return self._cached(method, path)

    def _endpoint_of(self, method: str, path: str) -> str:
        method = method.upper()
        if method not in _METHODS:
            return OTHER
        segments = _split(path)
        for route in self._routes.get(len(segments), ()):
            if route.matches(method, segments):
                return f"{method} {route.template}"
        return self._admit(f"{method} {'/'.join(map(_shape, segments)) or '/'}")

    def _admit(self, endpoint: str) -> str:
        if endpoint not in self._known:
            if len(self._known) >= self._limit:
                return OTHER
            self._known[endpoint] = None
            self._fresh.append(endpoint)
        return endpoint


def parse_templates(text: str) -> tuple[str, ...]:
    """Templates from YAML or JSON: a list of them, or an OpenAPI or Swagger document.

    Raises TemplateError with all problems at once.
    """
    try:
        document: object = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f"line {line + 1}: "
        raise TemplateError([f"{where}not YAML: {getattr(error, 'problem', None) or 'unreadable'}"]) from None
    if isinstance(document, list):
        strangers = [
            f"item {n}: write a template, for example GET /orders/{{id}}"
            for n, item in enumerate(document, 1)
            if not isinstance(item, str)
        ]
        if strangers:
            raise TemplateError(strangers)
        templates = tuple(str(item) for item in document)
    elif isinstance(document, Mapping) and isinstance(document.get("paths"), Mapping):
        templates = tuple(_openapi(document))
    else:
        raise TemplateError(["write a list of templates, or an OpenAPI document with paths"])
    Templates(templates)
    return templates


def _openapi(document: Mapping[object, object]) -> Iterable[str]:
    bases = _bases(document)
    paths = document["paths"]
    assert isinstance(paths, Mapping)  # noqa: S101  # the caller looked
    for path, item in paths.items():
        if not isinstance(path, str) or not path.startswith("/") or not isinstance(item, Mapping):
            continue
        for method in item:
            if isinstance(method, str) and method.upper() in _METHODS:
                for base in bases:
                    yield f"{method.upper()} {base}{path}"


def _bases(document: Mapping[object, object]) -> list[str]:
    """Path prefixes: of OpenAPI 3 ``servers``, of Swagger 2 ``basePath``; no slash at the end."""
    servers = document.get("servers")
    urls = (
        [server.get("url") for server in servers if isinstance(server, Mapping)]
        if isinstance(servers, list)
        else []
    )
    urls.append(document.get("basePath"))
    found: dict[str, None] = {}
    for url in urls:
        if isinstance(url, str):
            try:
                found[urlsplit(url).path.rstrip("/")] = None
            except ValueError:
                continue
    return list(found) or [""]


class _Route:
    """One given template, split."""

    __slots__ = ("method", "patterns", "segments", "template")

    def __init__(self, method: str, template: str) -> None:
        self.method = method
        self.template = template
        self.segments = template.split("/")
        self.patterns = [_pattern(segment) for segment in self.segments]

    @classmethod
    def parse(cls, text: str) -> _Route:
        method, _, template = text.strip().rpartition(" ")
        method = method.strip().upper()
        template = _COLON.sub(r"{\1}", template)
        if not template.startswith("/") or (method and method not in _METHODS) or not template.isprintable():
            raise ValueError(
                f"{text!r} is not a template: write GET /orders/{{id}}, or /orders/{{id}} for every method"
            )
        if "{" in _PARAMETER.sub("", template) or "}" in _PARAMETER.sub("", template):
            raise ValueError(f"{text!r}: braces must pair within one segment, as in /orders/{{id}}")
        return cls(method, template)

    def order(self) -> tuple[list[bool], bool]:
        return [pattern is not None for pattern in self.patterns], not self.method

    def matches(self, method: str, segments: Sequence[str]) -> bool:
        return (not self.method or self.method == method) and all(
            segment == literal if pattern is None else pattern.fullmatch(segment) is not None
            for segment, literal, pattern in zip(segments, self.segments, self.patterns, strict=True)
        )


def _pattern(segment: str) -> re.Pattern[str] | None:
    """What a segment with parameters matches; None without.

    A parameter reaches to the first place where the text that follows it stands, so that matching takes
    time in proportion to the segment, whatever is in it.
    """
    if "{" not in segment:
        return None
    head, *literals = map(re.escape, _PARAMETER.split(segment))
    parts = [head]
    for place, literal in enumerate(literals):
        if literal:
            parts.append(f"(?:(?!{literal}).)+{literal}")
        elif place == len(literals) - 1:
            parts.append(".+")
        # Two parameters side by side are one: nothing tells where the first ends.
    return re.compile("".join(parts), re.DOTALL)


def _split(path: str) -> list[str]:
    """Segments without query and fragment, the first empty. ``http://host/path`` is cut to its path."""
    for mark in "?#":
        cut = path.find(mark)
        if cut >= 0:
            path = path[:cut]
    if not path.startswith("/"):
        scheme = path.find("://")
        slash = path.find("/", scheme + 3) if scheme >= 0 else -1
        path = path[slash:] if slash >= 0 else "/"
    segments = path.split("/")
    if len(segments) > _SEGMENTS + 1:
        segments[_SEGMENTS + 1 :] = ["{rest}"]
    return segments


_LITERAL = re.compile(r"[A-Za-z][A-Za-z._~-]{0,14}")
_SHAPES: Final = (
    ("{date}", re.compile(r"\d{4}-\d\d(?:-\d\d)?(?:[T ][0-9:.,Z+-]*)?", re.IGNORECASE)),
    ("{id}", re.compile(r"[+-]?\d+(?:[.,]\d+)*")),
    ("{id}", re.compile(r"\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?", re.IGNORECASE)),
    # Hashes and object ids: a digit tells them from a word made of a to f.
    ("{id}", re.compile(r"(?=[a-f]*\d)(?:0x)?[0-9a-f]{8,}|[0-9a-f]{16,}", re.IGNORECASE)),
    ("{email}", re.compile(r"[^@\s]+(?:@|%40)[^@\s]+\.[^@\s.]+", re.IGNORECASE)),
    # `ord_8812`, `INV-2024-001`: a word, then numbers.
    ("{id}", re.compile(r"[A-Za-z]{1,12}(?:[_-]\d{2,})+")),
    # Long and mixed: letters and at least two digits in one run that is no dotted name.
    ("{id}", re.compile(r"(?=(?:[^0-9]*\d){2})(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_=~-]{16,}")),
)  # fmt: skip
_SAFE = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]*")
_EXTENSION = re.compile(r"(.+)(\.[A-Za-z][A-Za-z0-9]{1,4})")


def _shape(segment: str) -> str:
    """A segment as it stands in a recognised template: itself, or what kind of value it is."""
    if not segment or segment == "{rest}" or _LITERAL.fullmatch(segment):
        return segment
    if len(segment) > 64:
        return "{id}"
    for name, pattern in _SHAPES:
        if pattern.fullmatch(segment):
            return name
    if not _SAFE.fullmatch(segment):
        # Escaped or not ASCII: what a person or a program filled in.
        return "{id}"
    stem = _EXTENSION.fullmatch(segment)
    if stem is not None:
        shape = _shape(stem[1])
        return f"{shape}{stem[2]}" if shape != stem[1] else segment
    return segment
