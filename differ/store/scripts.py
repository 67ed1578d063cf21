"""The Lua scripts of this package, by name."""

from __future__ import annotations

from importlib.resources import files

from mirrordiff.process.redis import Script


def script(name: str) -> Script:
    """The script ``lua/<name>.lua``."""
    return Script(files("differ.store").joinpath(f"lua/{name}.lua").read_text())
