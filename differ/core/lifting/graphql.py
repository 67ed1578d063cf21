"""GraphQL answers, whose failures hide behind a status of 200."""

from __future__ import annotations

from typing import Final

from differ.core.values import Value

_MEMBERS: Final = frozenset({"data", "errors", "extensions"})
"""What a response may have (GraphQL specification, 7.1)."""


def has_errors(value: Value) -> bool | None:
    """Whether an answer reports errors; None where it has not the form of a GraphQL answer."""
    if not isinstance(value, dict) or not value.keys() <= _MEMBERS or not value.keys() & {"data", "errors"}:
        return None
    errors = value.get("errors")
    return isinstance(errors, list) and bool(errors)
