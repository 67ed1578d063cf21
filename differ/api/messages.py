"""Between the forms of the two APIs: resources to messages, names to ids, errors to google.rpc.Status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeVar

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from differ.api.errors import (
    DOMAIN,
    ApiError,
    InvalidArgument,
    NotFound,
    Reason,
    StoreUnavailable,
    Violation,
)
from differ.api.resources import Resource

M = TypeVar("M", bound=Message)

_ID: Final = r"[A-Za-z0-9._~-]{1,128}"


def message_of(content: Resource | Mapping[str, object], kind: type[M]) -> M:
    """A resource or document as a message. They have the same members, or this raises."""
    document = content.model_dump(mode="json") if isinstance(content, Resource) else content
    return ParseDict(dict(document), kind())


class Name:
    """A family of resource names, such as ``services/{service}/sessions/{session}``."""

    def __init__(self, template: str) -> None:
        self.template = template
        self._pattern = re.compile(re.sub(r"\{\w+\}", f"({_ID})", template))

    def ids(self, name: str, field: str = "name") -> tuple[str, ...]:
        """The ids in a name. Raises InvalidArgument where it is not of this family."""
        ids = self.match(name)
        if ids is None:
            raise bad_name(field, self.template)
        return ids

    def match(self, name: str) -> tuple[str, ...] | None:
        """The ids in a name; None where it is not of this family."""
        match = self._pattern.fullmatch(name)
        return None if match is None else match.groups()


def bad_name(field: str, *templates: str) -> InvalidArgument:
    """The error about a name that is of none of these families."""
    return InvalidArgument(Reason.INVALID_NAME, Violation(field, f"write {' or '.join(templates)}"))


def status_of(error: ApiError) -> status_pb2.Status:
    """The rich status of an error: ErrorInfo always, and what else helps."""
    status = status_pb2.Status(code=error.status.grpc.value[0], message=error.detail)
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    )
    match error:
        case InvalidArgument():
            violations = [
                error_details_pb2.BadRequest.FieldViolation(field=each.field, description=each.description)
                for each in error.violations
            ]
            status.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
        case NotFound():
            status.details.add().Pack(error_details_pb2.ResourceInfo(resource_name=error.name))
        case StoreUnavailable():
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromSeconds(error.RETRY_SECONDS)
            status.details.add().Pack(retry)
        case _:
            pass
    return status
