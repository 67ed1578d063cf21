"""What rules do to pairs at hand."""

from __future__ import annotations

from differ.core.compare import Where
from differ.core.model import Kind, Result
from differ.core.preview import Example, preview
from differ.core.rules import parse_rules
from tests.core.strategies import answer

RULES = parse_rules(
    """
rules:
  - ignore: {field: $.at}
    note: clock
  - unordered: {field: $.tags}
    note: any order
  - ignore: {field: $.never}
    note: nothing has it
"""
)


def example(primary: str, shadow: str, endpoint: str = "GET /a") -> Example:
    return Example(answer(primary), answer(shadow), Where("shop", endpoint))


def test_what_each_rule_hides_and_which_is_idle() -> None:
    calls: list[int] = []
    found = preview(
        RULES,
        [
            example('{"at":1}', '{"at":2}'),
            example('{"at":1}', '{"at":2}', "GET /b"),
            example('{"at":1,"x":1}', '{"at":2,"x":2}'),
            example('{"at":1,"tags":[1,2]}', '{"at":2,"tags":[2,1]}'),
            example('{"at":1}', '{"at":1}'),
            example("[" * 200 + "]" * 200, "[]"),
        ],
        progress=lambda: calls.append(1),
    )
    clock, order, nothing = found.effects
    assert (clock.differences, clock.pairs, clock.decided) == (4, 4, 3)
    assert clock.signatures == {("GET /a", "$.at", Kind.VALUE), ("GET /b", "$.at", Kind.VALUE)}
    assert (order.differences, order.pairs, order.decided) == (1, 1, 1)
    assert (nothing.differences, nothing.signatures) == (0, frozenset())
    assert found.idle == (nothing.rule,)
    assert found.results == {Result.SAME: 4, Result.DIFFERENT: 1, Result.SKIPPED: 1}
    assert len(calls) == 6
