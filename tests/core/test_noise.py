"""Serve-time values: noise with no rule, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from differ.core.compare import Where, compare
from differ.core.model import Disposition, End, Finding, Kind, Outcome, Response, Result, Role
from differ.core.noise import CLOCK, ECHO, mark_serve_time
from differ.core.pair import UNKNOWN, Arrival
from differ.core.rules import NO_RULES
from tests.core.evidence_kit import body, finding, outcome, pair

AT = datetime(2026, 11, 23, 14, 22, 7, 113_000, tzinfo=UTC)
LATER = AT + timedelta(milliseconds=740)
US = int(AT.timestamp() * 1_000_000)

PAIR = replace(
    pair(primary=Response(200, duration_us=41_000), shadow=Response(200, duration_us=44_000)),
    primary_arrival=Arrival(US, ("0d7e4a7b-6f7b-4c3a-9a55-2f1f0c6f8f11",)),
    shadow_arrival=Arrival(US + 700_000, ("7c9e6679-7425-40de-944b-e07fc1f90ae7",)),
)


def judged(before: object, after: object, kind: Kind = Kind.VALUE) -> tuple[Disposition, str]:
    (found,) = mark_serve_time(outcome(finding(body("at"), kind, before, after)), PAIR).findings
    return found.disposition, found.rule


def in_zone(moment: datetime, hours: float) -> datetime:
    return moment.astimezone(timezone(timedelta(hours=hours)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (AT.isoformat(), LATER.isoformat()),
        ("2026-11-23T14:22:07Z", "2026-11-23T14:22:08Z"),
        ("2026-11-23T14:22:07.113456789Z", "2026-11-23T14:22:07.85Z"),
        ("2026-11-23 14:22:07", "2026-11-23 14:22:08"),
        (in_zone(AT, 5.5).isoformat(), in_zone(LATER, 5.5).isoformat()),
        # A naive local time, as many servers print.
        (
            in_zone(AT, -8).replace(tzinfo=None).isoformat(),
            in_zone(LATER, -8).replace(tzinfo=None).isoformat(),
        ),
        ("Mon, 23 Nov 2026 14:22:07 GMT", "Mon, 23 Nov 2026 14:22:08 GMT"),
        (US // 1_000_000, US // 1_000_000 + 1),
        (US / 1_000_000, US / 1_000_000 + 0.74),
        (US // 1_000, US // 1_000 + 740),
        (US * 1_000 + 1, US * 1_000 + 740_000_002),
        (str(US), str(US + 740_000)),
    ],
)
def test_two_clocks_read_while_answering_are_noise(before: object, after: object) -> None:
    assert judged(before, after) == (Disposition.NOISE, CLOCK)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("2026-11-23T14:22:07Z", "2026-11-23T16:22:07Z", "v2 is two hours off"),
        ("2026-11-23T14:22:07Z", "1970-01-01T00:00:00Z", "v2 lost the time"),
        ("2026-11-20T09:00:00Z", "2026-11-20T09:00:01Z", "a stored time that differs"),
        ("2026-11-23T14:22:07Z", "2026-11-23T14:22:07.113Z", "another format"),
        ("2026-11-23T14:22:07Z", "2026-11-23T14:22:07+00:00", "another format of the zone"),
        ("2026-11-23T14:22:07", "2026-11-23T15:22:07", "v2 answers in another zone"),
        (US // 1_000_000, US // 1_000, "seconds became milliseconds"),
        (US // 1_000_000, str(US // 1_000_000), "a number became text"),
        ("2026-11-23", "2026-11-24", "a day is no timestamp"),
        ("2026-13-45T99:99:99Z", "2026-13-45T99:99:98Z", "no calendar has it"),
        ("Mon, 99 Nov 2026 14:22:07 GMT", "Mon, 98 Nov 2026 14:22:07 GMT", "nor this"),
        ("Mon, 23 Foo 2026 14:22:07 GMT", "Mon, 23 Foo 2026 14:22:08 GMT", "nor this"),
        (19.9, 20.9, "a price"),
        (True, False, "a truth"),
    ],
)
def test_everything_else_stays_a_regression(before: object, after: object, why: str) -> None:
    assert judged(before, after) == (Disposition.REGRESSION, ""), why


def test_a_fraction_of_zero_may_be_left_out_and_no_other() -> None:
    turn = datetime(2026, 11, 23, 14, 22, 8, tzinfo=UTC)
    as_it_turns = replace(PAIR, shadow_arrival=Arrival(int(turn.timestamp() * 1_000_000) - 20_000))
    stamps = outcome(finding(body("at"), primary=AT.isoformat(), shadow=turn.isoformat()))
    assert mark_serve_time(stamps, as_it_turns).result is Result.SAME
    cut_off = replace(PAIR, shadow_arrival=Arrival(int(turn.timestamp() * 1_000_000) + 700_000))
    assert mark_serve_time(stamps, cut_off).result is Result.DIFFERENT


def test_structure_is_never_serve_time_noise() -> None:
    assert judged(AT.isoformat(), None, Kind.MISSING)[0] is Disposition.REGRESSION
    assert judged(AT.isoformat(), US, Kind.TYPE)[0] is Disposition.REGRESSION


def test_without_the_time_of_capture_nothing_is_known() -> None:
    blind = replace(PAIR, primary_arrival=UNKNOWN)
    different = outcome(finding(body("at"), primary=AT.isoformat(), shadow=LATER.isoformat()))
    assert mark_serve_time(different, blind) == different


@pytest.mark.parametrize(
    ("before", "after", "noise"),
    [
        ("0d7e4a7b-6f7b-4c3a-9a55-2f1f0c6f8f11", "7c9e6679-7425-40de-944b-e07fc1f90ae7", True),
        ("req:0D7E4A7B6F7B4C3A9A552F1F0C6F8F11!", "req:7c9e6679742540de944be07fc1f90ae7!", True),
        ("a:0d7e4a7b-6f7b-4c3a-9a55-2f1f0c6f8f11", "b:7c9e6679-7425-40de-944b-e07fc1f90ae7", False),
        ("0d7e4a7b-6f7b-4c3a-9a55-2f1f0c6f8f11", "always-the-same", False),
        ("1", 2, False),
    ],
)
def test_an_echo_is_noise_only_where_each_side_echoes_its_own(
    before: object, after: object, *, noise: bool
) -> None:
    assert judged(before, after) == ((Disposition.NOISE, ECHO) if noise else (Disposition.REGRESSION, ""))


def test_a_control_is_judged_by_its_own_clock() -> None:
    late = AT + timedelta(minutes=10)
    with_control = replace(
        PAIR,
        control=Response(200, duration_us=40_000),
        control_arrival=Arrival(US + 600_000_000),
    )
    noisy = outcome(finding(body("at"), primary=AT.isoformat(), shadow=late.isoformat()))
    assert mark_serve_time(noisy, with_control, Role.CONTROL).result is Result.SAME
    assert mark_serve_time(noisy, with_control).result is Result.DIFFERENT
    assert mark_serve_time(noisy, PAIR, Role.CONTROL) is noisy


@pytest.mark.parametrize(
    ("content", "end", "why"),
    [(b"{}", End.TRUNCATED, "cut at the capture's cap"), (b"no gzip", End.COMPLETE, "gzip")],
)
def test_what_could_not_be_compared_is_skipped_not_same(content: bytes, end: End, why: str) -> None:
    """Once the clock in a header is taken for noise, all that is left is a body that nobody compared."""

    def answer(at: str) -> Response:
        headers = (("content-type", "application/json"), ("content-encoding", "gzip"), ("x-at", at))
        return replace(PAIR.primary, headers=headers, body=content, end=end)

    primary, shadow = answer("Mon, 23 Nov 2026 14:22:07 GMT"), answer("Mon, 23 Nov 2026 14:22:08 GMT")
    shadow = replace(shadow, body=content + b" ")
    found = compare(primary, shadow, NO_RULES, Where("orders", "GET /orders/{id}"))
    marked = mark_serve_time(found, replace(PAIR, primary=primary, shadow=shadow))
    assert (found.result, marked.result) == (Result.DIFFERENT, Result.SKIPPED)
    assert why in marked.reason


def test_findings_left_out_may_hide_a_regression() -> None:
    stamped = finding(body("at"), primary=AT.isoformat(), shadow=LATER.isoformat())
    many = replace(outcome(stamped), omitted=True)
    assert mark_serve_time(many, PAIR) == many


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.text(max_size=45),
    st.sampled_from([10**5000, Decimal("1e999999"), Decimal("sNaN")]),
    st.sampled_from([AT.isoformat(), LATER.isoformat(), US, PAIR.primary_arrival.ids[0]]),
)  # fmt: skip


@given(st.lists(st.builds(finding, st.just(body("x")), st.sampled_from(Kind), values, values), max_size=4))
def test_the_outcome_holds_whatever_the_values(findings: list[Finding]) -> None:
    found = outcome(*findings)
    marked: Outcome = mark_serve_time(found, PAIR)
    regressed = any(one.disposition is Disposition.REGRESSION for one in marked.findings)
    assert (marked.result is Result.DIFFERENT) == regressed
    assert [one.difference for one in marked.findings] == [one.difference for one in found.findings]
