"""Rules that a reviewer may want for a signature, as YAML: to paste below ``rules:`` of a rules file, or made
by a review."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import yaml

from differ.core.names import OTHER
from differ.core.risk import NO_RESPONSE
from differ.core.signature import Signature

WHY: Final = "say here why, and who agreed"
"""The note of a proposed rule: a rule without a reason is none."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a reviewer says of a rule: why, who agreed, and its last day, where it has one."""

    note: str = WHY
    owner: str = ""
    until: date | None = None


PROPOSED: Final = Said()


def accepting(signature: Signature, service: str, candidate: str, said: Said = PROPOSED) -> str:
    """A rule that accepts this change, of this candidate alone; empty where no rule can."""
    expected: dict[str, object] = {"field": signature.field, "kind": str(signature.kind)}
    if signature.detail:
        before, _, after = signature.detail.partition("→")
        if not (before.isdigit() and after.isdigit()):
            return ""
        expected |= {"primary": int(before), "shadow": int(after)}
    return _rule("expected", {**expected, "candidate": candidate}, signature, service, said)


def ignoring(signature: Signature, service: str, said: Said = PROPOSED) -> str:
    """A rule that ignores the field on this endpoint, whatever its values; empty where no rule should."""
    if signature.field == "status" or NO_RESPONSE in signature.detail:
        return ""
    options: dict[str, object] = {"field": signature.field}
    if signature.kind != "value":
        # Ignoring a field's values never excuses that it is gone; what is seen here has to be named.
        options["kinds"] = [str(signature.kind)]
    return _rule("ignore", options, signature, service, said)


def _rule(verb: str, options: dict[str, object], signature: Signature, service: str, said: Said) -> str:
    if OTHER in {signature.field, signature.endpoint}:
        return ""
    where = {"service": service, "endpoint": signature.endpoint}
    rule: dict[str, object] = {verb: options, "where": where, "note": said.note}
    if said.owner:
        rule["owner"] = said.owner
    if said.until is not None:
        rule["until"] = said.until
    text: str = yaml.safe_dump([rule], sort_keys=False, allow_unicode=True, width=1000)
    return text.rstrip()
