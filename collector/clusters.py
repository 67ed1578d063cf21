"""Which of Envoy's clusters is which side of which service, where one proxy sees all of them.

The setting has a rule a line (or between semicolons): ``PATTERN => role/service[/version]``. A pattern
is a regular expression for a whole cluster name, and the right side may name its groups (``\\1``). The
first rule that matches counts. A cluster that none matches is not captured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from collector.captured import Source, Unusable, source_from


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    meaning: str


class Clusters:
    """The rules. Raises ValueError naming the first one that cannot be one."""

    def __init__(self, text: str = "") -> None:
        self._rules = [_rule(number, line) for number, line in enumerate(_lines(text), 1)]
        self._known: dict[str, Source | None] = {}

    def source_of(self, cluster: str) -> Source | None:
        """Whose responses a cluster gives; None where they are not to be captured."""
        if cluster not in self._known:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[cluster] = self._find(cluster)
        return self._known[cluster]

    def _find(self, cluster: str) -> Source | None:
        for rule in self._rules:
            if match := rule.pattern.fullmatch(cluster):
                try:
                    role, service, version = _parts(match.expand(rule.meaning))
                    return source_from(role, service, version)
                except Unusable:
                    return None
        return None


def _lines(text: str) -> list[str]:
    return [line.strip() for line in re.split(r"[\n;]", text) if line.strip()]


def _parts(meaning: str) -> tuple[str, str, str]:
    role, _, rest = meaning.partition("/")
    service, _, version = rest.partition("/")
    return role, service, version


def _rule(number: int, line: str) -> _Rule:
    pattern, arrow, meaning = (part.strip() for part in line.rpartition("=>"))
    if not arrow or not pattern:
        raise ValueError(f"rule {number} of the clusters is not PATTERN => role/service/version")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"rule {number} of the clusters has a wrong pattern: {error}") from None
    if not re.fullmatch(r"(primary|shadow|control)/[^/]+(/.*)?", meaning):
        raise ValueError(
            f"rule {number} of the clusters has to end in primary|shadow|control/service/version"
        )
    groups = [int(one) for one in re.findall(r"\\([0-9]+)", meaning)]
    if max(groups, default=0) > compiled.groups:
        raise ValueError(f"rule {number} of the clusters names a group that its pattern does not have")
    return _Rule(compiled, meaning)
