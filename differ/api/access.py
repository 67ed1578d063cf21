"""Who may see what: scopes, callers, and what each door of both APIs demands.

Each door is a row of one of the two tables below, and a door without a row stays shut. A caller comes
from `differ.api.authentication`, and is current for as long as its request is served.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from differ.api.errors import ApiError, Reason
from mirrordiff.v1 import report_service_pb2 as messages


class Scope(StrEnum):
    """What a caller may do. Each reading scope holds the ones above it; ``write`` holds none."""

    VERDICT_READ = "verdict:read"
    DIFF_READ = "diff:read"
    BODY_READ = "body:read"
    WRITE = "write"


_HELD: Final = {
    Scope.VERDICT_READ: frozenset({Scope.VERDICT_READ}),
    Scope.DIFF_READ: frozenset({Scope.VERDICT_READ, Scope.DIFF_READ}),
    Scope.BODY_READ: frozenset({Scope.VERDICT_READ, Scope.DIFF_READ, Scope.BODY_READ}),
    Scope.WRITE: frozenset({Scope.WRITE}),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks: a name for the audit log, and scopes."""

    name: str
    scopes: frozenset[Scope]

    @classmethod
    def of(cls, name: str, scopes: Iterable[Scope]) -> Caller:
        """A caller with these scopes and those that they hold."""
        return cls(name, frozenset[Scope]().union(*(_HELD[scope] for scope in scopes)))

    def may(self, scope: Scope) -> bool:
        """Whether the caller has this scope."""
        return scope in self.scopes


NOBODY: Final = Caller("nobody", frozenset())
ANYONE: Final = Caller("anyone", frozenset(Scope))
"""Every caller of an API that asks nobody who they are."""

_current: ContextVar[Caller] = ContextVar("caller", default=NOBODY)


def current() -> Caller:
    """Whose request is being served; nobody's outside of any."""
    return _current.get()


def serve_as(caller: Caller) -> None:
    """Make the rest of this asyncio task, in which one request is served, this caller's."""
    _current.set(caller)


class Unauthenticated(ApiError):
    """No token, or one that is not known. Which of both is said, and nothing else."""

    def __init__(self, detail: str = "send a token: Authorization: Bearer …") -> None:
        super().__init__(Reason.UNAUTHENTICATED, detail)


class PermissionDenied(ApiError):
    """A caller without the scope that is needed."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(Reason.PERMISSION_DENIED, f"this needs the scope {scope}", scope=scope)
        self.scope = scope


def require(scope: Scope | None) -> None:
    """Raises where the current caller has not this scope, and for every caller where there is none."""
    if scope is None:
        raise ApiError(Reason.METHOD_NOT_ALLOWED, "this is not served to anybody")
    if not current().may(scope):
        raise PermissionDenied(scope)


OPEN_PATHS: Final = frozenset(
    {"/livez", "/readyz", "/metrics", "/openapi.json", "/login", "/logout", "/assets/report.js"}
)
"""Paths that ask nobody who they are: they show nothing captured, and no verdict."""

Parameters: TypeAlias = Iterable[tuple[str, str]]
"""Query parameters, in order and as often as they are given."""


def is_open(path: str) -> bool:
    """Whether a path, or a route's template, asks nobody who they are.

    Flagger's hooks are open, too, since Flagger can send no token: they say a gate's word and one line.
    """
    return path in OPEN_PATHS or path.startswith("/hooks/flagger/")


HttpRule: TypeAlias = "Scope | Callable[[Parameters], Scope]"
GrpcRule: TypeAlias = "Scope | Callable[[Any], Scope]"


def _http_view(parameters: Parameters) -> Scope:
    basic = all(value == "BASIC" for name, value in parameters if name == "view")
    return Scope.DIFF_READ if basic else Scope.BODY_READ


def _list_view(request: messages.ListDiffsRequest) -> Scope:
    basic = request.view in {messages.VIEW_UNSPECIFIED, messages.VIEW_BASIC}
    return Scope.DIFF_READ if basic else Scope.BODY_READ


def _get_view(request: messages.GetDiffRequest) -> Scope:
    return Scope.DIFF_READ if request.view == messages.VIEW_BASIC else Scope.BODY_READ


_SESSION: Final = "/v1/services/{service_id}/sessions/{session_id}"
_GATE: Final = "/v1/services/{service_id}/gates/{gate_id}"

HTTP: Final[dict[tuple[str, str], HttpRule]] = {
    ("GET", "/v1/services"): Scope.VERDICT_READ,
    ("GET", "/v1/services/{service_id}"): Scope.VERDICT_READ,
    ("GET", "/v1/services/{service_id}/sessions"): Scope.VERDICT_READ,
    ("GET", _SESSION): Scope.VERDICT_READ,
    ("GET", f"{_SESSION}/endpoints"): Scope.DIFF_READ,
    ("GET", f"{_SESSION}/endpoints/{{endpoint_id}}"): Scope.DIFF_READ,
    ("GET", f"{_SESSION}/signatures"): Scope.DIFF_READ,
    ("GET", f"{_SESSION}/signatures/{{signature_id}}"): Scope.DIFF_READ,
    ("GET", f"{_SESSION}/trend"): Scope.DIFF_READ,
    ("GET", f"{_SESSION}/diffs"): _http_view,
    ("GET", f"{_SESSION}/diffs/{{diff_id}}"): Scope.BODY_READ,
    ("GET", f"{_SESSION}/verdict"): Scope.VERDICT_READ,
    ("GET", f"{_SESSION}/verdict/events"): Scope.VERDICT_READ,
    ("GET", f"{_GATE}/verdict"): Scope.VERDICT_READ,
    ("GET", f"{_GATE}/verdict/events"): Scope.VERDICT_READ,
    ("GET", f"{_GATE}/evaluation"): Scope.VERDICT_READ,
    ("GET", "/v1/services/{service_id}/profile"): Scope.VERDICT_READ,
    ("POST", "/v1/services/{service_id}/profile"): Scope.WRITE,
    ("DELETE", "/v1/services/{service_id}/profile"): Scope.WRITE,
    ("GET", "/v1/services/{service_id}/reviews"): Scope.DIFF_READ,
    ("POST", "/v1/services/{service_id}/reviews"): Scope.WRITE,
    ("DELETE", "/v1/services/{service_id}/reviews/{review_id}"): Scope.WRITE,
    # It asks by POST, because Spinnaker does, and changes nothing.
    ("POST", f"{_GATE}:evaluate"): Scope.VERDICT_READ,
    # The page leaves out examples for a caller who may not see bodies.
    ("GET", "/"): Scope.VERDICT_READ,
    ("GET", "/services/{service_id}"): Scope.VERDICT_READ,
    ("GET", "/services/{service_id}/sessions/{session_id}"): Scope.DIFF_READ,
    ("GET", "/services/{service_id}/sessions/{session_id}/report.html"): Scope.DIFF_READ,
    ("POST", "/services/{service_id}/sessions/{session_id}/reviews"): Scope.WRITE,
    ("POST", "/services/{service_id}/sessions/{session_id}/reviews/{review_id}/undo"): Scope.WRITE,
}
"""What each route needs, by method and the template of its path."""

GRPC: Final[dict[str, GrpcRule]] = {
    "ListServices": Scope.VERDICT_READ,
    "GetService": Scope.VERDICT_READ,
    "ListSessions": Scope.VERDICT_READ,
    "GetSession": Scope.VERDICT_READ,
    "ListEndpoints": Scope.DIFF_READ,
    "GetEndpoint": Scope.DIFF_READ,
    "ListSignatures": Scope.DIFF_READ,
    "GetSignature": Scope.DIFF_READ,
    "GetTrend": Scope.DIFF_READ,
    "ListDiffs": _list_view,
    "GetDiff": _get_view,
    "GetVerdict": Scope.VERDICT_READ,
    "ListReviews": Scope.DIFF_READ,
    "CreateReview": Scope.WRITE,
    "DeleteReview": Scope.WRITE,
    "WatchVerdict": Scope.VERDICT_READ,
}
"""What each method of ``mirrordiff.v1.ReportService`` needs. Health and reflection need nothing."""


def need_http(method: str, template: str, parameters: Parameters) -> Scope | None:
    """The scope that a request to a route needs; None where the route is in no row, and so shut."""
    rule = HTTP.get((method, template))
    return rule if rule is None or isinstance(rule, Scope) else rule(parameters)


def need_grpc(method: str, request: object) -> Scope | None:
    """The scope that a call of a method needs; None where the method is in no row, and so shut."""
    rule = GRPC.get(method)
    return rule if rule is None or isinstance(rule, Scope) else rule(request)
