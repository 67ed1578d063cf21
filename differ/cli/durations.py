"""Durations as people write them."""

from __future__ import annotations

import re

import click

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class DurationType(click.ParamType[float]):
    """``90``, ``30s``, ``1h30m``: seconds where no unit is given."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        if isinstance(value, (int, float)):
            return float(value)
        if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h|d))+|\d+(\.\d+)?", value):
            self.fail("write a duration such as 90s, 30m or 1h30m", param, ctx)
        return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", value))
