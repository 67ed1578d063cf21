"""Which cluster is which side: rules in order, groups, and what is refused."""

from __future__ import annotations

import pytest

from collector.captured import ROLES, Source
from collector.clusters import Clusters


def test_the_first_rule_that_matches_counts() -> None:
    clusters = Clusters("a => primary/orders/v1; [ab] => shadow/orders\nc.* => control/orders/v1/x")
    assert clusters.source_of("a") == Source(ROLES["primary"], "orders", "v1")
    assert clusters.source_of("b") == Source(ROLES["shadow"], "orders", "")
    assert clusters.source_of("cc") == Source(ROLES["control"], "orders", "v1/x")
    assert clusters.source_of("other") is None
    assert clusters.source_of("ab") is None


def test_names_may_be_taken_from_the_cluster() -> None:
    clusters = Clusters(r"outbound\|[0-9]+\|(v1)\|([a-z]+)\..* => primary/\2/\1")
    source = clusters.source_of("outbound|80|v1|orders.shop.svc.cluster.local")
    assert source == Source(ROLES["primary"], "orders", "v1")


@pytest.mark.parametrize(
    "rule", ["a", "=> primary/a", "( => primary/a", "a => canary/a", "a => primary", r"a => shadow/\1"]
)
def test_what_is_no_rule_is_refused_by_number(rule: str) -> None:
    with pytest.raises(ValueError, match="rule 2"):
        Clusters(f"x => primary/a\n{rule}")
