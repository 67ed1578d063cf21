"""The names of the counters, and nothing else: what is counted is one flat map from name to number.

A name is a letter and its parts, joined by tabs. Endpoints and fields hold no tab (control characters
are escaped on the way in), so a name splits back into its parts without doubt.

====== ================================================= ================================================
kind   parts                                             counts pairs …
====== ================================================= ================================================
``n``  endpoint, request class                           compared: the same or different
``d``  endpoint, request class                           different
``k``  endpoint, reason                                  skipped
``u``  role, endpoint, reason                            halves that never met their twin
``m``  flag                                              marked ``ambiguous`` or ``retried``
``3``  endpoint                                          compared on three sides
``b``  endpoint                                          … where the shadow alone differs from the primary
``c``  endpoint                                          … where the control alone does
``x``  endpoint                                          … where both do
``f``  endpoint, field                                   where the field regressed
``fb`` endpoint, field                                   as ``b``, for one field; likewise ``fc``, ``fx``
``p``  endpoint, field ids                               by exactly which fields regressed
``pc`` endpoint, field ids                               by exactly where the control differs
``s``  endpoint, field, kind, detail, request class      of each signature
``v``  endpoint, detail                                  in which the control's status differs
``z``  endpoint, field, evidence                         where the difference is noise
``i``  endpoint, field, rule id                          where a rule ignored the difference
``h``  endpoint, field, role, category                   values of a field that differs, by shape and hash
``l``  endpoint, ``+`` or ``-``                          where the shadow was clearly slower, or faster
``t``  endpoint, role, bucket                            by duration
``g``  ``=`` or ``!``, bucket                            by time between the two answers, same or different
``w``  second, endpoint, what it showed                  by when they were asked; kept apart, as a trend
====== ================================================= ================================================

A ``w`` names its endpoint only where the pair differs; see `differ.core.trend` for what it shows.
The *request class* is a small hash of what was asked: two classes are two distinct requests for sure.
The number of names is bounded by endpoints times fields times constants. Where the number of fields has
no bound (maps keyed by ids), the keeper of the counters caps it with `fold`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

TAB: Final = "\t"
CHANGES: Final = "#"
"""No counter of pairs: how often the tally has changed, for those who have read it before."""

OTHER: Final = "_other"
MANY: Final = "many"
"""The set that stands for every set of more fields than are kept."""

REQUEST_CLASSES: Final = 8

_FIELD_SECOND: Final = frozenset({"f", "fb", "fc", "fx", "p", "pc", "s", "z", "i", "h"})


def fold(name: str) -> str:
    """The coarser name that takes a count when there are too many names; itself where there is none.

    Fields fold into the field ``_other`` of their endpoint. Counts of an endpoint itself never fold:
    the number of endpoints is bounded before pairs are counted, since an endpoint whose names were
    folded one by one would lose differences and keep pairs. Holds: ``fold(fold(x)) == fold(x)``.
    """
    parts = name.split(TAB)
    if parts[0] not in _FIELD_SECOND or len(parts) < 3:
        return name
    parts[2] = OTHER
    return TAB.join(parts)


@lru_cache(maxsize=16_384)
def clean(text: str) -> str:
    """Text without control characters, so that it can be part of a name."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def short_hash(*parts: str) -> str:
    """12 hexadecimal digits, the same in every process and version: BLAKE2b of the parts, tab between."""
    return blake2b(TAB.join(parts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


@lru_cache(maxsize=65_536)
def signature_id(endpoint: str, field: str, kind_detail: str) -> str:
    """The stable short id of a signature; ``kind_detail`` is the kind, for status the two codes too."""
    return short_hash("signature", endpoint, field, kind_detail)


@lru_cache(maxsize=16_384)
def field_id(field: str) -> str:
    """8 hexadecimal digits that stand for a field in a set of fields."""
    return short_hash("field", field)[:8]
