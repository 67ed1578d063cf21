"""The policy file to start from says what holds without it, and names every key there is."""

from __future__ import annotations

from pathlib import Path

import yaml

from differ.core.policy import EndpointPolicy, Mode, Policy, parse_policy

FILE = Path(__file__).parents[2] / "deploy/policy/default.yaml"


def test_it_is_the_default_policy_with_nothing_left_out() -> None:
    text = FILE.read_text("utf-8")
    assert parse_policy(text) == Policy()
    keys = set(yaml.safe_load(text))
    assert keys == {name for name in Policy.__dataclass_fields__ if not name.startswith("latency_")}


def test_what_is_commented_out_can_be_used() -> None:
    lines = FILE.read_text("utf-8").replace("endpoints: []", "endpoints:").splitlines()
    examples = [line.removeprefix("#") if line.startswith("#  ") else line for line in lines]
    assert parse_policy("\n".join(examples)).endpoints == (
        EndpointPolicy("GET /orders/*", tolerance=0.001, required=True),
        EndpointPolicy("GET /search*", mode=Mode.ADVISORY),
    )
