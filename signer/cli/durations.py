"""Lengths of time as people write them: ``90d``, ``12h``."""

from __future__ import annotations

import re
from datetime import timedelta

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_WRITTEN = re.compile(r"([1-9][0-9]{0,8})([smhdw])")


class Duration(click.ParamType[timedelta]):
    """A number and a unit: seconds, minutes, hours, days or weeks; at most ``longest``."""

    name = "duration"

    def __init__(self, longest: timedelta) -> None:
        self._longest = longest

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The length."""
        if isinstance(value, timedelta):
            return value
        match = _WRITTEN.fullmatch(str(value))
        seconds = int(match[1]) * _UNITS[match[2]] if match else 0
        if not 0 < seconds <= self._longest.total_seconds():
            self.fail(f"must be like 12h or 90d, up to {self._longest.days}d", param, ctx)
        return timedelta(seconds=seconds)
