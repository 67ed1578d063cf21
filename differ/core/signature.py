"""The unit a person reviews: one way in which one field of one endpoint differs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from differ.core.model import Difference, Finding, Kind, Response
from differ.core.names import clean, signature_id
from differ.core.pair import Pair
from differ.core.paths import Path
from differ.core.risk import STATUS_FIELDS, Risk, Worry, risk, status_detail, worry


@dataclass(frozen=True, slots=True)
class Signature:
    """Endpoint + field + kind; for a status also ``detail``, the two codes (``200→500``)."""

    endpoint: str
    field: str
    kind: Kind
    detail: str = ""

    @property
    def id(self) -> str:
        """12 hexadecimal digits, the same in every process, version and session."""
        return signature_id(
            self.endpoint, self.field, f"{self.kind} {self.detail}" if self.detail else self.kind
        )

    @property
    def risk(self) -> Risk:
        """High, medium or low."""
        return risk(self.field, self.kind)

    @property
    def worry(self) -> Worry:
        """What a caller notices of it; ranks reports."""
        return worry(self.field, self.kind, self.detail)

    def __str__(self) -> str:
        return f"{self.field} {self.detail or self.kind}"


def signature_of(pair: Pair, finding: Finding) -> Signature:
    """The signature that a finding of primary against shadow belongs to."""
    difference = finding.difference
    field = field_text(difference.path)
    detail = ""
    if field in STATUS_FIELDS:
        detail = codes(field, pair.primary, pair.shadow, difference)
    return Signature(clean(pair.endpoint), field, difference.kind, detail)


_CODE = re.compile(r"[0-9]{1,3}(?: with errors)?")


@lru_cache(maxsize=16_384)
def field_text(path: Path) -> str:
    """The field of a path as text, safe to be part of a counter's name."""
    return clean(str(path.generalised()))


def codes(field: str, primary: Response, other: Response, difference: Difference) -> str:
    """The two codes of a difference in a status field, ``200→500`` or ``0→13``.

    A status that differs in another way than by its HTTP code shows its values where they are codes
    (``200→200 with errors``), and ``?`` where they are not: no captured text gets into a name.
    """
    if field == "status" and primary.status != other.status:
        return status_detail(primary.status, other.status)
    return f"{_word(difference.primary)}→{_word(difference.shadow)}"


def _word(value: object) -> str:
    return str(value) if isinstance(value, (int, str)) and _CODE.fullmatch(str(value)) else "?"
