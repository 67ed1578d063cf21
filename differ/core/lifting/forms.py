"""Form bodies as multimaps."""

from __future__ import annotations

from urllib.parse import parse_qsl

from differ.core.lifting.lifted import Lifted
from differ.core.values import Value


def lift_form(text: str) -> Lifted:
    """For each name the values given under it, in order. The order of names does not matter."""
    members: dict[str, Value] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
        values = members.setdefault(name, [])
        if isinstance(values, list):
            values.append(value)
    return Lifted(members, booleans=False)
