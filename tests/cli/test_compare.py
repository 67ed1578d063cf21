"""``mirrordiff compare`` and ``mirrordiff rules``, as a shell calls them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from differ.cli import main

COMMAND = [sys.executable, "-m", "differ"]

SAME = {"status": 200, "headers": [["content-type", "application/json"]], "body": '{"a":1,"tags":[1,2]}'}
CHANGED = SAME | {"body": '{"a":2,"tags":[2,1]}'}
CUT = SAME | {"truncated": True}
SILENT = {"status": None}

RULES = """
rules:
  - ignore: {field: $.a}
    note: agreed
  - unordered: {field: $.tags}
    note: any order
  - ignore: {field: $.gone}
    note: old
    owner: payments
    until: 2020-01-01
"""


@dataclass(frozen=True)
class Done:
    """What a call of the command came to."""

    returncode: int
    stdout: str
    stderr: str


class Run(Protocol):
    def __call__(self, *arguments: str) -> Done: ...


@pytest.fixture
def run(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls the command in this process, in the folder with the files."""
    monkeypatch.chdir(files)

    def called(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["mirrordiff", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        return Done(int(ended.value.code or 0), written.out, written.err)

    return called


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, document in {"same": SAME, "changed": CHANGED, "cut": CUT, "silent": SILENT}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "bad.yaml").write_text(
        "rules:\n  - ignore: {feild: $.a}\n    note: n\n  - ignore: {field: $.b}\n"
    )
    (tmp_path / "broken.json").write_text("{")
    pairs = [
        {"name": "one", "primary": SAME, "shadow": SAME},
        {"name": "two", "primary": SAME, "shadow": CUT},
        {"name": "three", "primary": SAME, "shadow": CHANGED, "endpoint": "GET /c"},
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n\n" for pair in pairs))
    (tmp_path / "two.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs[:2]))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["same.json", "same.json"], 0),
        (["same.json", "changed.json"], 1),
        (["same.json", "silent.json"], 1),
        (["silent.json", "same.json"], 2),
        (["same.json", "cut.json"], 2),
        (["same.json", "changed.json", "--rules", "rules.yaml"], 0),
        (["--pairs", "pairs.jsonl"], 1),
        (["--pairs", "pairs.jsonl", "--rules", "rules.yaml"], 2),
        (["--pairs", "two.jsonl"], 2),
        (["same.json"], 3),
        ([], 3),
        (["same.json", "same.json", "--pairs", "pairs.jsonl"], 3),
        (["same.json", "none.json"], 3),
        (["same.json", "broken.json"], 3),
        (["same.json", "same.json", "--rules", "bad.yaml"], 3),
        (["same.json", "same.json", "--descriptor-set", "same.json"], 3),
        (["--pairs", "same.json"], 3),
        (["--pairs", "none.jsonl"], 3),
    ],
)
def test_the_exit_code_says_what_came_of_it(run: Run, arguments: list[str], code: int) -> None:
    done = run("compare", *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    if code == 3:
        assert done.stdout == ""
        assert done.stderr != ""


def test_a_person_reads_glyph_path_and_both_values(run: Run) -> None:
    done = run("compare", "same.json", "changed.json")
    assert done.stdout.splitlines() == [
        "✕ different",
        "  ≠  $.a  1 → 2",
        "  ⇅  $.tags  [1,2] → [2,1]",
    ]
    assert done.stderr == ""


def test_what_is_ignored_is_listed_with_the_note(run: Run) -> None:
    done = run("compare", "same.json", "changed.json", "--rules", "rules.yaml")
    assert done.stdout.splitlines() == [
        "✓ same",
        "  ~≠ $.a  1 → 2  ignored: agreed",
        "  ~⇅ $.tags  [1,2] → [2,1]  ignored: any order",
    ]
    assert done.stderr == "line 7: the rule for $.gone (payments) expired on 2020-01-01: not applied\n"


def test_a_program_reads_one_document_a_line(run: Run) -> None:
    done = run("compare", "--pairs", "pairs.jsonl", "-o", "json")
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(it["name"], it["outcome"]) for it in documents] == [
        ("one", "same"),
        ("two", "skipped"),
        ("three", "different"),
    ]
    assert documents[1]["reason"] == "shadow: the body is cut at the capture's cap"
    assert done.stderr == ""


def test_captured_values_cannot_drive_the_terminal(files: Path, run: Run) -> None:
    body = json.dumps({"\x1b[2Jname\u202e": "\x1b]0;owned\x07\u202egpj.exe\x9b31m", "long": "\x1b[31m" * 40})
    (files / "evil.json").write_text(json.dumps(SAME | {"body": body}))
    for output in ("text", "json"):
        done = run("compare", "same.json", "evil.json", "-o", output)
        assert done.returncode == 1
        assert all(char.isprintable() or char == "\n" for char in done.stdout)
        assert "u202e" in done.stdout


def test_a_file_name_cannot_drive_the_terminal(run: Run) -> None:
    done = run("compare", "same.json", "no\x1b[2Jsuch")
    assert "\x1b" not in done.stderr


def test_standard_input_is_a_file_too(files: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "compare", "-", "same.json"],
        cwd=files, input=json.dumps(SAME), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0


def test_output_in_an_encoding_without_the_glyphs(files: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "compare", "same.json", "changed.json"],
        cwd=files, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "$.a" in done.stdout


def on_a_terminal(arguments: list[str], cwd: Path, **environment: str) -> str:
    """What the command writes to a terminal, standard output and standard error."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux: the other end is closed
                break
            if not piece:  # elsewhere
                break
            written += piece
        process.wait(timeout=60)
    os.close(ours)
    return written.decode()


def test_colour_on_a_terminal_only_and_not_where_it_is_unwanted(files: Path) -> None:
    arguments = ["compare", "same.json", "changed.json"]
    assert "\x1b[34m1\x1b[0m" in on_a_terminal(arguments, files)
    assert "\x1b" not in on_a_terminal(arguments, files, NO_COLOR="1")
    assert "\x1b" not in on_a_terminal(arguments, files, TERM="dumb")
    assert "\x1b" not in subprocess.run(
        [*COMMAND, *arguments], cwd=files, env={**os.environ, "FORCE_COLOR": "1"}, capture_output=True,
        text=True, encoding="utf-8", timeout=60, check=False,
    ).stdout  # fmt: skip


def test_a_bar_where_someone_is_watching(files: Path) -> None:
    shown = on_a_terminal(["compare", "--pairs", "pairs.jsonl"], files)
    assert "comparing" in shown
    assert "100%" in shown


def test_rules_check_says_all_that_is_wrong(run: Run) -> None:
    done = run("rules", "check", "bad.yaml")
    assert done.returncode == 3
    assert done.stderr.count("bad.yaml: line 2: ") == 2
    assert done.stderr.count("bad.yaml: line 4: ") == 1
    assert done.stdout == ""


def test_rules_check_says_what_a_good_file_holds(run: Run) -> None:
    done = run("rules", "check", "rules.yaml")
    assert done.returncode == 0
    assert done.stdout.startswith("rules.yaml: 3 rules, 1 of them expired, digest ")
    assert "expired on 2020-01-01" in done.stderr


def test_rules_test_says_what_each_rule_hides(run: Run) -> None:
    done = run("rules", "test", "rules.yaml", "--pairs", "pairs.jsonl")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "line 3: ignore $.a (agreed)",
        "  hides 1 difference in 1 signature of 1 pair; 1 pair would be different without it",
        "    GET /c  $.a  value",
        "line 5: unordered $.tags (any order)",
        "  hides 1 difference in 1 signature of 1 pair; 1 pair would be different without it",
        "    GET /c  $.tags  order",
        "3 pairs: 2 same, 0 different, 1 skipped",
    ]


def test_rules_test_for_a_program(files: Path, run: Run) -> None:
    (files / "idle.yaml").write_text("rules:\n  - ignore: {field: $.zzz}\n    note: nothing\n")
    done = run("rules", "test", "idle.yaml", "--pairs", "pairs.jsonl", "-o", "json")
    document = json.loads(done.stdout)
    assert document["pairs"] == {"same": 1, "different": 1, "skipped": 1}
    (rule,) = document["rules"]
    assert (rule["verb"], rule["field"], rule["differences"], rule["signatures"]) == (
        "ignore",
        "$.zzz",
        0,
        [],
    )
