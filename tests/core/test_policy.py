"""Policies: good with no file, strict with one, and every problem named with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from differ.core.policy import (
    Critical,
    EndpointPolicy,
    Mirrored,
    Mode,
    OnInconclusive,
    Policy,
    PolicyError,
    matches,
    parse_policy,
)
from differ.core.risk import Worry

WHOLE = """
tolerance: 0.2%
noisy_tolerance: 0.1
alpha: 0.01
min_pairs: 50
min_duration: 30s
min_paired_ratio: 1
max_lag: 500ms
max_dropped: 0.02
max_skipped: 5 %
max_profile_age: 2d
deadline: 1h
on_inconclusive: fail
mirrored: sampled
latency:
  mode: gating
  bulk_tolerance: 0.1
  tail_tolerance: 0.02
distribution: gating
criticals:
  - what: failure
  - what: shape
    field: $.total
    requests: 1
required:
  - GET /orders/{id}
endpoints:
  - match: "* /admin/*"
    mode: "off"
  - match: POST /orders
    tolerance: 0.001
    required: true
"""


def test_nothing_is_the_default_policy() -> None:
    assert parse_policy("") == parse_policy("# later\n") == Policy()


def test_a_whole_policy() -> None:
    assert parse_policy(WHOLE) == Policy(
        tolerance=0.002,
        noisy_tolerance=0.1,
        alpha=0.01,
        min_pairs=50,
        min_duration=30.0,
        min_paired_ratio=1.0,
        max_lag=0.5,
        max_dropped=0.02,
        max_skipped=0.05,
        max_profile_age=172_800.0,
        deadline=3_600.0,
        on_inconclusive=OnInconclusive.FAIL,
        mirrored=Mirrored.SAMPLED,
        latency=Mode.GATING,
        latency_bulk_tolerance=0.1,
        latency_tail_tolerance=0.02,
        distribution=Mode.GATING,
        criticals=(Critical(Worry.FAILURE), Critical(Worry.SHAPE, "$.total", 1)),
        required=("GET /orders/{id}",),
        endpoints=(
            EndpointPolicy("* /admin/*", mode=Mode.OFF),
            EndpointPolicy("POST /orders", tolerance=0.001, required=True),
        ),
    )


def test_latency_may_be_one_word() -> None:
    assert parse_policy("latency: 'off'").latency is Mode.OFF


def test_all_problems_at_once_with_their_lines() -> None:
    text = """tolerence: 0.01
tolerance: 1.5
alpha: none
min_pairs: 0
min_duration: 5
on_inconclusive: maybe
latency: {mode: loud, p99: 0.1}
criticals:
  - what: crash
  - field: $.a
    requests: many
  - 3
required: GET /
endpoints:
  - match:
    required: perhaps
    mode: gating
    mode: advisory
"""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text)
    said = caught.value.problems
    expected = [
        ("line 1:", "'tolerence'", "did you mean tolerance?"),
        ("line 2:", "'1.5'", "over 0 and under 1"),
        ("line 3:", "'none'", "0.005"),
        ("line 4:", "'0'", "whole number from 1"),
        ("line 5:", "'5'", "30s, 5m"),
        ("line 6:", "'maybe'", "fail, hold, pass"),
        ("line 7:", "'loud'", "advisory, gating, off"),
        ("line 7:", "'p99'", "tail_tolerance"),
        ("line 9:", "'crash'", "failure"),
        ("line 10:", "what is missing", ""),
        ("line 11:", "'many'", "whole number"),
        ("line 12:", "write field, requests, what", ""),
        ("line 13:", "'GET /'", "write a list"),
        ("line 15:", "write text", ""),
        ("line 16:", "'perhaps'", "true or false"),
        ("line 18:", "given twice", "line 17"),
    ]
    for parts in expected:
        assert any(all(part in line for part in parts) for line in said), parts
    assert len(said) == len(expected)
    assert str(caught.value).count("\n") == len(said) - 1


@pytest.mark.parametrize("text", ["a: [", "\x00", "tolerance: 0.1\n\tb: 1", "[" * 20_000, "- 1", "3"])
def test_what_is_no_policy_says_so(text: str) -> None:
    with pytest.raises(PolicyError, match=r"line \d+"):
        parse_policy(text)


@given(st.text(max_size=60))
def test_a_text_is_a_policy_or_an_error_that_says_why(text: str) -> None:
    try:
        said = parse_policy(text).id
    except PolicyError as error:
        said = str(error)
    assert said


def test_an_endpoints_own_entry_is_completed_from_the_policy() -> None:
    policy = parse_policy(WHOLE)
    assert policy.of_endpoint("GET /admin/users").mode is Mode.OFF
    assert policy.of_endpoint("POST /orders") == EndpointPolicy("POST /orders", 0.001, required=True)
    assert policy.of_endpoint("GET /orders/{id}") == EndpointPolicy("GET /orders/{id}", 0.002, required=True)
    assert policy.must_be_seen == ("GET /orders/{id}", "POST /orders")


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("GET /a/*", "GET /a/{id}", True),
        ("GET /a/{id}", "GET /a/{id}", True),
        ("$.items[*].a", "$.items[*].a", True),
        ("$.items[0]?", "$.items0x", False),
        ("GET /a", "GET /a/b", False),
    ],
)
def test_in_a_pattern_only_a_star_is_special(pattern: str, text: str, *, found: bool) -> None:
    assert matches(pattern, text) is found


def test_equal_policies_have_one_id_and_others_another() -> None:
    assert parse_policy(WHOLE).id == parse_policy(WHOLE).id != Policy().id
