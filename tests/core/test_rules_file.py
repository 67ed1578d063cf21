"""Rule files: what is refused, and how it is told."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from differ.core.model import Kind
from differ.core.paths import EACH, Part, Path
from differ.core.rules import NO_RULES, RulesError, parse_rules
from differ.core.rules.pattern import PatternError, parse_pattern
from differ.core.rules.verbs import Expected


def problems(text: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        parse_rules(text)
    return list(map(str, caught.value.problems))


def one(rule: str) -> str:
    """A file with one rule and its note."""
    return f"rules:\n  - {rule}\n    note: agreed\n"


def test_every_problem_of_a_file_is_told_with_its_line() -> None:
    found = problems(
        """\
rules:
  - ignore: {feild: $.a}
    note: x
  - ignore: {field: $.b}
  - within: {field: $.c, absolute: -1}
    note: y
    owner: [a]
  - same_type: {field: $.d}
    note: z
    until: soon
"""
    )
    assert [problem.split(":")[0] for problem in found] == [
        "line 2",
        "line 2",
        "line 4",
        "line 5",
        "line 7",
        "line 10",
    ]
    assert "'feild'" in found[0]
    assert "'note'" in found[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("rules: {}", "list"),
        ("rules: [1]", "mapping"),
        ("[]", "mapping"),
        ("rule: []", "unknown key 'rule'"),
        ("rules: []\nrules: []", "twice"),
        ("rules: []\n---\nrules: []", "not YAML"),
        ("rules: [", "not YAML"),
        ("a: &x [1]\nrules: *x", "aliases"),
        ("rules: []\nx: \x07", "not allowed"),
        ("[" * 5_000, "nested too deeply"),
        ("#" * 262_145, "more than"),
        (one("owner: x"), "one verb"),
        (one("ignore: {field: $.a}\n    within: {field: $.a, absolute: 1}"), "ignore and within"),
        (one("ignore: $.a"), "to be a mapping"),
        (one("ignore: {}"), "lacks the key 'field'"),
        (one("ignore: {field: }"), "to be a text"),
        (one("ignore: {field: ''}"), "empty"),
        (one("ignore: {field: a.b}"), "is no field"),
        (one("ignore: {field: $.a..}"), "ends in '..'"),
        (one("ignore: {field: '$.a['}"), "cannot be read"),
        (one("ignore: {field: $.a[0]}"), "quotation marks"),
        (one("ignore: {field: latency}"), "is no field"),
        (one("ignore: {field: $}"), "too broad"),
        (one("ignore: {field: '$.*'}"), "too broad"),
        (one("ignore: {field: '$..*'}"), "too broad"),
        (one("ignore: {field: 'header.*'}"), "too broad"),
        (one("ignore: {field: 'header.x*'}"), "too broad"),
        (one("same_type: {field: '$[*]'}"), "too broad"),
        (one("within: {field: '$..*', absolute: 1}"), "too broad"),
        (one("unordered: {field: '$..*'}"), "too broad"),
        (one("unordered: {field: header.vary}"), "no array"),
        (one("additive: {field: status}"), "members"),
        (one("ignore: {field: $.a, kinds: []}"), "empty"),
        (one("ignore: {field: $.a, kinds: [gone]}"), "no kind"),
        (one("within: {field: $.a}"), "needs a bound"),
        (one("within: {field: $.a, absolute: x}"), "number above 0"),
        (one("within: {field: $.a, absolute: .inf}"), "number above 0"),
        (one("within: {field: $.a, relative: 2}"), "below 1"),
        (one("within: {field: $.a, time: 5 parsecs}"), "no span"),
        (one("within: {field: $.a, time: 5s, absolute: 1}"), "two rules"),
        (one("matches: {field: $.a}"), "either pattern or classes"),
        (one("matches: {field: $.a, pattern: a, classes: [[a]]}"), "either pattern or classes"),
        (one("matches: {field: $.a, pattern: '['}"), "without its ']'"),
        (one("matches: {field: $.a, pattern: '.*'}"), "too broad"),
        (one("matches: {field: $.a, pattern: '(.|\\n)+'}"), "too broad"),
        (one("matches: {field: $.a, pattern: '(a)\\1'}"), "not supported"),
        (one("matches: {field: $.a, pattern: '(?=a)'}"), "not supported"),
        (one("matches: {field: $.a, pattern: '(a{100}){100}'}"), "too large"),
        (one("matches: {field: $.a, classes: []}"), "empty"),
        (one("matches: {field: $.a, classes: [[]]}"), "empty"),
        (one("expected: {field: $.a, candidate: v2}"), "'kind'"),
        (one("expected: {field: $.a, kind: value}"), "needs an end"),
        (one("expected: {field: $.a, kind: value, primary: 1, candidate: v2}"), "both values"),
        (one("expected: {field: $.a, kind: value, primary: [1], shadow: 1, candidate: v}"), "approved value"),
        (one("ignore: {field: $.a}\n    where: {}"), "empty"),
        (one("ignore: {field: $.a}\n    where: {status: 2000}"), "no status"),
        (one("ignore: {field: $.a}\n    where: {host: a}"), "unknown key 'host'"),
        (one("ignore: {field: $.a}\n    where: {service: []}"), "empty"),
        (one("ignore: {field: $.a}\n    until: 2026-02-30"), "to be a date"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    found = problems(text)
    assert any(said in problem for problem in found), found


CONFLICTS = [
    ("within: {field: $.a, absolute: 1}", "same_type: {field: $.a}"),
    ("within: {field: '$.a[*].p', absolute: 1}", "within: {field: $..p, relative: 0.1}"),
    ("within: {field: $.a.b, absolute: 1}", "same_type: {field: $.a}"),
    ("matches: {field: $.a, pattern: x+}", "expected: {field: $.a, kind: value, candidate: v2}"),
    ("unordered: {field: $.a}", "unordered: {field: '$.*', key: id}"),
    ("additive: {field: $}", "additive: {field: $.a}"),
    ("additive: {field: $.a}", "expected: {field: $.a.b, kind: extra, candidate: v2}"),
    ("matches: {field: header.x-a*, pattern: x+}", "within: {field: header.x-*b, absolute: 1}"),
    ("ignore: {field: $.a}", "ignore: {field: $.a}"),
]

NO_CONFLICTS = [
    ("ignore: {field: $.a}", "within: {field: $.a, absolute: 1}"),
    ("ignore: {field: $.a}", "ignore: {field: $..a}"),
    ("unordered: {field: $.a}", "within: {field: $.a, absolute: 1}"),
    ("within: {field: $.a, absolute: 1}", "within: {field: $.b, absolute: 1}"),
    ("within: {field: $.a.b, absolute: 1}", "within: {field: $.a, absolute: 1}"),
    ("within: {field: '$.a[0]', absolute: 1}", "within: {field: '$.a[1]', absolute: 1}"),
    ("matches: {field: header.x-ab, pattern: x+}", "within: {field: header.x-ac, absolute: 1}"),
    (
        "expected: {field: status, kind: value, primary: 200, shadow: 201, candidate: v2}",
        "expected: {field: status, kind: value, primary: 404, shadow: 410, candidate: v2}",
    ),
    (
        "expected: {field: $.a, kind: value, candidate: v2}",
        "expected: {field: $.a, kind: value, candidate: v3}",
    ),
]


def both(first: str, second: str, where: tuple[str, str] = ("", "")) -> str:
    scopes = [f"    where: {scope}\n" if scope else "" for scope in where]
    return f"rules:\n  - {first}\n    note: a\n{scopes[0]}  - {second}\n    note: b\n{scopes[1]}"


@pytest.mark.parametrize(("first", "second"), CONFLICTS)
def test_two_rules_that_can_meet_are_refused_in_either_order(first: str, second: str) -> None:
    for text in (both(first, second), both(second, first)):
        (found,) = problems(text)
        assert found.startswith("line 4: ")
        assert "line 2" in found
        assert "line 4" in found


@pytest.mark.parametrize(("first", "second"), NO_CONFLICTS)
def test_two_rules_that_never_meet_are_taken(first: str, second: str) -> None:
    assert len(parse_rules(both(first, second)).rules) == 2


@pytest.mark.parametrize(
    ("scopes", "meet"),
    [
        (("{service: a}", "{service: b}"), False),
        (("{service: a}", "{service: [b, a]}"), True),
        (("{service: a*}", "{service: '*b'}"), True),
        (("{service: a}", "{endpoint: GET /}"), True),
        (("{endpoint: GET /*}", "{endpoint: POST /*}"), False),
        (("{status: 200}", "{status: 404}"), False),
        (("{status: 200}", "{status: 2xx}"), True),
        (("{status: 2xx}", "{status: 4xx}"), False),
        (("{status: 200}", ""), True),
    ],
)
def test_rules_of_scopes_apart_never_meet(scopes: tuple[str, str], meet: bool) -> None:
    text = both("within: {field: $.a, absolute: 1}", "same_type: {field: $.a}", scopes)
    if meet:
        assert len(problems(text)) == 1
    else:
        assert len(parse_rules(text).rules) == 2


def test_a_rule_keeps_its_id_when_the_file_is_sorted_or_its_note_reworded() -> None:
    first = parse_rules(both("ignore: {field: $.a}", "ignore: {field: $.b}"))
    second = parse_rules(
        "rules:\n  - ignore: {field: $.b}\n    note: other\n    owner: x\n"
        "  - ignore: {field: \"$['a']\"}\n    note: y\n"
    )
    assert {rule.id for rule in first.rules} == {rule.id for rule in second.rules}
    assert first.digest == second.digest
    assert first.digest != NO_RULES.digest


def test_rules_that_do_something_else_have_other_ids() -> None:
    texts = [
        "ignore: {field: $.a}", "ignore: {field: $.a, kinds: [missing]}", "same_type: {field: $.a}",
        "within: {field: $.a, absolute: 1}", "within: {field: $.a, absolute: 2}",
        "within: {field: $.a, time: 1s}",
        "matches: {field: $.a, pattern: x}", "matches: {field: $.a, pattern: y}", "unordered: {field: $.a}",
        "unordered: {field: $.a, key: k}", "ignore: {field: $.a}\n    where: {service: s}",
        "expected: {field: $.a, kind: value, candidate: v2}",
        "expected: {field: $.a, kind: value, candidate: v3}",
    ]  # fmt: skip
    assert len({parse_rules(one(text)).rules[0].id for text in texts}) == len(texts)


def test_an_expired_rule_no_longer_applies_and_is_told() -> None:
    rules = parse_rules(one("ignore: {field: $.a}\n    until: 2026-11-23"))
    assert rules.expired(date(2026, 11, 23)) == ()
    assert rules.effective(date(2026, 11, 23), "v2") is rules
    assert rules.expired(date(2026, 11, 24)) == rules.rules
    assert rules.effective(date(2026, 11, 24), "v2").digest == NO_RULES.digest


def test_an_expected_change_is_for_its_candidate() -> None:
    rules = parse_rules(one("expected: {field: $.a, kind: value, candidate: v2}"))
    assert rules.effective(date(2026, 1, 1), "v2").rules
    assert not rules.effective(date(2026, 1, 1), "v3").rules


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [("", None), ("null", None), ("true", True), ("7", 7), ("0.5", 0.5), ("'7'", "7"), ("open", "open")],
)
def test_an_approved_value_is_what_yaml_says(spelled: str, meant: object) -> None:
    text = f"expected: {{field: $.a, kind: type, primary: {spelled}, shadow: x, candidate: v2}}"
    (rule,) = parse_rules(one(text)).rules
    assert isinstance(rule.verb, Expected)
    assert rule.verb.values == (meant, "x")


@pytest.mark.parametrize("spelled", ["[]", "{}", "2026-01-01", "!!int x", "!!python/name:os.system x"])
def test_what_is_no_approved_value_is_refused(spelled: str) -> None:
    rule = f"expected: {{field: $.a, kind: type, primary: {spelled}, shadow: 1, candidate: v2}}"
    assert any("approved value" in problem for problem in problems(one(rule)))


def test_what_a_rule_says_is_kept() -> None:
    (rule,) = parse_rules(
        one("ignore: {field: $.a}\n    owner: payments\n    ticket: PAY-311\n    until: 2027-01-31")
    ).rules
    assert (rule.note, rule.owner, rule.ticket, rule.until, rule.line) == (
        "agreed",
        "payments",
        "PAY-311",
        date(2027, 1, 31),
        2,
    )


names = st.text(min_size=0, max_size=5) | st.sampled_from(
    ["a", "it's", "a.b", "\ud800", "\\", "\n", "*", ".."]
)
steps = st.lists(names | st.integers(0, 3), max_size=4).map(tuple)


@given(steps)
def test_the_text_of_a_field_is_a_pattern_that_matches_it(found: tuple[str | int, ...]) -> None:
    path = Path(Part.BODY, "", found)
    assert parse_pattern(str(path)).matches(path)
    field = parse_pattern(str(path.generalised()))
    assert field.matches(path)
    assert field.matches(path.generalised())
    assert not field.matches(Path(Part.BODY, "", (*found, "more")))
    assert field.covers(Path(Part.BODY, "", (*found, "more")))
    assert parse_pattern("$").holds(path) is (found != ())


@given(steps, steps)
def test_patterns_meet_where_a_path_is_of_both(a: tuple[str | int, ...], b: tuple[str | int, ...]) -> None:
    first, second = (parse_pattern(str(Path(Part.BODY, "", it))) for it in (a, b))
    assert first.meets(second, inside=False, other_inside=False) is (a == b)
    assert first.meets(second, inside=True, other_inside=False) is (b[: len(a)] == a)
    assert parse_pattern("$..*").meets(first, inside=False, other_inside=False) is (a != ())


@pytest.mark.parametrize(
    "text", ["$a", "$.", "$.a.", "$[-1]", "$[a]", "$['a", "x", "header.", "header.a b", "$" + ".a" * 300]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        parse_pattern(text)


def test_a_pattern_of_wildcards_takes_no_time_on_a_long_path() -> None:
    pattern = parse_pattern("$" + "..a" * 60 + ".b")
    assert not pattern.matches(Path(Part.BODY, "", ("a",) * 2_000))


def test_rules_say_nothing_about_other_parts() -> None:
    header = parse_pattern("header.x-*")
    assert header.matches(Path(Part.HEADER, "x-a"))
    assert not header.matches(Path(Part.TRAILER, "x-a"))
    assert not parse_pattern("$.a").matches(Path(Part.STATUS))
    assert parse_pattern("status").matches(Path(Part.STATUS))
    assert parse_pattern("$[*]").matches(Path(Part.BODY, "", (EACH,)))
    assert Kind.VALUE in list(Kind)


def test_rules_of_another_service_do_not_change_what_judges_this_one() -> None:
    own = parse_rules(one("ignore: {field: $.a}\n    where: {service: [orders, cart*]}"))
    assert own.effective(date(2026, 1, 1), "v2", "cart-eu") is own
    assert own.effective(date(2026, 1, 1), "v2", "search").digest == NO_RULES.digest
