"""The README's tables say what the code says. ``UPDATE=1 pytest tests/test_readme.py`` writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

from collector.settings import CollectorSettings
from differ.api.settings import ApiSettings
from differ.cli import Exit
from differ.worker.settings import WorkerSettings
from mirrordiff.process.settings import PREFIX, Settings
from mirrordiff.redis_keys import DAY, HOUR, KEYS

README = Path(__file__).parents[1] / "README.md"
PROCESSES: dict[str, type[Settings]] = {
    "collector": CollectorSettings,
    "worker": WorkerSettings,
    "api": ApiSettings,
}


def settings_table() -> str:
    rows: dict[str, tuple[list[str], str, str]] = {}
    for process, model in PROCESSES.items():
        for name, field in model.model_fields.items():
            default = "" if field.default is None else str(field.default)
            meaning = field.description or ""
            known = rows.setdefault(PREFIX + name.upper(), ([], default, meaning))
            known[0].append(process)
    lines = ["| variable | of | default | what |", "| --- | --- | --- | --- |"]
    for variable, (processes, default, meaning) in rows.items():
        shown = f"`{default}`" if default else "–"
        lines.append(f"| `{variable}` | {', '.join(processes)} | {shown} | {meaning} |")
    return "\n".join(lines)


def keys_table() -> str:
    lines = ["| key | type | lives | written by | read by | what |", "| --- | --- | --- | --- | --- | --- |"]
    for key in KEYS:
        cells = (f"`{key.template}`", key.type, lives(key.ttl), key.writer, key.reader, key.meaning)
        lines += [f"| {' | '.join(cells)} |"]
    return "\n".join(lines)


def lives(ttl: int | None) -> str:
    if ttl is None:
        return "while in use"
    for seconds, unit in ((DAY, "d"), (HOUR, "h"), (60, "min")):
        if ttl % seconds == 0:
            return f"{ttl // seconds} {unit}"
    return f"{ttl} s"


def section(text: str, name: str) -> re.Match[str]:
    """What stands between a mark and the next heading."""
    found = re.search(rf"<!-- {name} -->\n(.*?)(?=\n## |\Z)", text, re.DOTALL)
    assert found is not None, f"README.md has no mark <!-- {name} -->"
    return found


def held_to(name: str, table: str) -> None:
    text = README.read_text("utf-8")
    found = section(text, name)
    if os.environ.get("UPDATE"):
        README.write_text(text[: found.start(1)] + f"\n{table}\n" + text[found.end(1) :], "utf-8")
        return
    assert found[1].strip() == table, "write it anew: UPDATE=1 pytest tests/test_readme.py"


def test_every_setting_is_in_the_readme() -> None:
    held_to("settings", settings_table())


def test_every_redis_key_is_in_the_readme() -> None:
    held_to("keys", keys_table())


def test_every_exit_code_is_in_the_readme() -> None:
    codes = re.findall(r"^\| (\d) \| ", README.read_text("utf-8"), re.MULTILINE)
    assert [int(code) for code in codes] == sorted(Exit)


def test_every_make_command_of_the_readme_exists() -> None:
    text = README.read_text("utf-8")
    makefile = (README.parent / "Makefile").read_text("utf-8")
    commands = set(re.findall(r"(?:\$ |`)make (\w+)", text))
    assert commands
    assert commands <= set(re.findall(r"^(\w+):", makefile, re.MULTILINE))


def test_every_folder_of_the_readme_exists() -> None:
    folders = re.findall(r"^\| (`[a-z_/]+/`(?:, `[a-z_/]+/`)*) \|", README.read_text("utf-8"), re.MULTILINE)
    assert folders
    for row in folders:
        for folder in re.findall(r"`([^`]+)`", row):
            assert (README.parent / folder).is_dir(), folder
