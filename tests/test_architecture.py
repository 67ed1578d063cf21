"""The import arrows: collector and differ never meet, the core does no I/O, one package talks to Redis."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

# What a decision may be made with, beside the standard library: parsers and codecs, which are pure.
PURE_LIBRARIES = {"brotli", "deepdiff", "google", "lxml", "msgspec", "yaml", "zstandard"}

# Standard library modules that reach outside the process or read a clock.
IMPURE_MODULES = {
    "asyncio", "multiprocessing", "os", "random", "secrets", "select", "shutil", "signal", "socket",
    "subprocess", "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip


def modules(package: str) -> Iterator[tuple[Path, set[str]]]:
    """Each module below a package, with the dotted names it imports."""
    for path in sorted((ROOT / package).rglob("*.py")):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
        yield path.relative_to(ROOT), names


def importers(package: str, *targets: str) -> list[str]:
    """The modules of a package that import one of the targets or anything below it."""
    return [
        str(path)
        for path, names in modules(package)
        if any(name == target or name.startswith(f"{target}.") for name in names for target in targets)
    ]


def test_collector_and_differ_never_import_each_other() -> None:
    assert importers("collector", "differ") == []
    assert importers("differ", "collector") == []


def test_the_contract_imports_neither() -> None:
    assert importers("proto/mirrordiff", "collector", "differ") == []


def test_the_core_imports_only_pure_things() -> None:
    allowed = sys.stdlib_module_names | PURE_LIBRARIES | {"differ"}
    strangers = {
        (str(path), name)
        for path, names in modules("differ/core")
        for name in names
        if name.split(".")[0] not in allowed
        or (name.startswith("differ.") and not name.startswith("differ.core"))
        or any(name == impure or name.startswith(f"{impure}.") for impure in IMPURE_MODULES)
    }
    assert strangers == set()


def test_in_the_differ_only_the_store_talks_to_redis() -> None:
    assert [path for path in importers("differ", "redis") if not path.startswith("differ/store/")] == []
