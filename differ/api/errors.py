"""What can go wrong in answering, once for both APIs.

::

    ApiError
    ├── InvalidArgument      a parameter that cannot be used; says which, and what would be right
    ├── NotFound             no such service, session, endpoint, signature, diff or gate
    ├── OutOfRange           a place to resume from that is gone
    ├── Unauthenticated      no token, or an unknown one       (in `differ.api.access`)
    ├── PermissionDenied     a token without the scope needed  (in `differ.api.access`)
    └── StoreUnavailable     Redis does not answer

Each error has a reason, a stable word that programs may compare. `STATUS` is the one table from
reasons to gRPC and HTTP status. A message never repeats anything captured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import grpc

DOMAIN: Final = "mirrordiff"
"""The domain of every google.rpc.ErrorInfo."""


class Reason(StrEnum):
    """Why an answer could not be given."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    INVALID_PAGE_SIZE = "INVALID_PAGE_SIZE"
    INVALID_PAGE_TOKEN = "INVALID_PAGE_TOKEN"  # noqa: S105  # a reason, no secret
    INVALID_FILTER = "INVALID_FILTER"
    INVALID_ORDER_BY = "INVALID_ORDER_BY"
    INVALID_NAME = "INVALID_NAME"
    SERVICE_NOT_FOUND = "SERVICE_NOT_FOUND"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    ENDPOINT_NOT_FOUND = "ENDPOINT_NOT_FOUND"
    SIGNATURE_NOT_FOUND = "SIGNATURE_NOT_FOUND"
    DIFF_NOT_FOUND = "DIFF_NOT_FOUND"
    GATE_NOT_FOUND = "GATE_NOT_FOUND"
    PROFILE_NOT_FOUND = "PROFILE_NOT_FOUND"
    REVIEW_NOT_FOUND = "REVIEW_NOT_FOUND"
    REVIEW_CONFLICT = "REVIEW_CONFLICT"
    TOO_MANY_REVIEWS = "TOO_MANY_REVIEWS"
    OPERATION_NOT_FOUND = "OPERATION_NOT_FOUND"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    CROSS_SITE = "CROSS_SITE"
    REVIEW_UNAVAILABLE = "REVIEW_UNAVAILABLE"
    RESUME_TOKEN_EXPIRED = "RESUME_TOKEN_EXPIRED"  # noqa: S105  # a reason, no secret
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Status:
    """How a reason is said on each API; ``title`` is the same for every occurrence."""

    grpc: grpc.StatusCode
    http: int
    title: str


def _invalid(title: str) -> Status:
    return Status(grpc.StatusCode.INVALID_ARGUMENT, 400, title)


def _missing(what: str) -> Status:
    return Status(grpc.StatusCode.NOT_FOUND, 404, f"No such {what}")


def _unfit(title: str) -> Status:
    return Status(grpc.StatusCode.FAILED_PRECONDITION, 409, title)


STATUS: Final[dict[Reason, Status]] = {
    Reason.INVALID_ARGUMENT: _invalid("A parameter cannot be used"),
    Reason.INVALID_PAGE_SIZE: _invalid("The page size cannot be used"),
    Reason.INVALID_PAGE_TOKEN: _invalid("The page token was not given out for this request"),
    Reason.INVALID_FILTER: _invalid("The filter cannot be read"),
    Reason.INVALID_ORDER_BY: _invalid("The order cannot be read"),
    Reason.INVALID_NAME: _invalid("This is not a resource name"),
    Reason.SERVICE_NOT_FOUND: _missing("service"),
    Reason.SESSION_NOT_FOUND: _missing("session"),
    Reason.ENDPOINT_NOT_FOUND: _missing("endpoint"),
    Reason.SIGNATURE_NOT_FOUND: _missing("signature"),
    Reason.DIFF_NOT_FOUND: _missing("diff"),
    Reason.GATE_NOT_FOUND: _missing("gate"),
    Reason.PROFILE_NOT_FOUND: _missing("noise profile"),
    Reason.REVIEW_NOT_FOUND: _missing("review"),
    Reason.REVIEW_CONFLICT: _unfit("Another rule is about this"),
    Reason.TOO_MANY_REVIEWS: _unfit("There is no room for another review"),
    Reason.OPERATION_NOT_FOUND: _missing("operation"),
    Reason.ROUTE_NOT_FOUND: _missing("route"),
    Reason.METHOD_NOT_ALLOWED: Status(grpc.StatusCode.UNIMPLEMENTED, 405, "This method is not served here"),
    Reason.REQUEST_TOO_LARGE: Status(grpc.StatusCode.RESOURCE_EXHAUSTED, 413, "The request is too long"),
    Reason.UNAUTHENTICATED: Status(grpc.StatusCode.UNAUTHENTICATED, 401, "Who is asking?"),
    Reason.PERMISSION_DENIED: Status(grpc.StatusCode.PERMISSION_DENIED, 403, "Not allowed with this token"),
    Reason.CROSS_SITE: Status(grpc.StatusCode.PERMISSION_DENIED, 403, "Not from there"),
    Reason.REVIEW_UNAVAILABLE: Status(
        grpc.StatusCode.UNAVAILABLE, 503, "The cluster does not say whose token this is"
    ),
    Reason.RESUME_TOKEN_EXPIRED: Status(grpc.StatusCode.OUT_OF_RANGE, 410, "What to resume from is gone"),
    Reason.STORE_UNAVAILABLE: Status(grpc.StatusCode.UNAVAILABLE, 503, "The store does not answer"),
    Reason.INTERNAL: Status(grpc.StatusCode.INTERNAL, 500, "Something is wrong with this server"),
}


class ApiError(Exception):
    """An answer that cannot be given."""

    def __init__(self, reason: Reason, detail: str, **metadata: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.metadata = metadata

    @property
    def status(self) -> Status:
        """How each API says it."""
        return STATUS[self.reason]


@dataclass(frozen=True, slots=True)
class Violation:
    """A parameter and what is wrong with it."""

    field: str
    description: str


class InvalidArgument(ApiError):
    """Parameters that cannot be used, each with what is wrong with it."""

    def __init__(self, reason: Reason, *violations: Violation) -> None:
        super().__init__(reason, "; ".join(f"{each.field}: {each.description}" for each in violations))
        self.violations = violations


class NotFound(ApiError):
    """A resource that is not there; ``name`` is its full resource name."""

    def __init__(self, reason: Reason, name: str) -> None:
        super().__init__(reason, f"there is no {name}", name=name)
        self.name = name


class OutOfRange(ApiError):
    """A resume token that is too old to be understood: start again without it."""

    def __init__(self) -> None:
        super().__init__(Reason.RESUME_TOKEN_EXPIRED, "start again without a resume token")


class StoreUnavailable(ApiError):
    """Redis does not answer; asking again later may help."""

    RETRY_SECONDS = 2

    def __init__(self) -> None:
        super().__init__(Reason.STORE_UNAVAILABLE, "the store does not answer; try again")
