"""Options that commands about keys share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from hsm.algorithms import Algorithm
from signer.domain.keys import Purpose

ALGORITHMS = tuple(algorithm.value for algorithm in Algorithm)
PURPOSES = tuple(purpose.value for purpose in Purpose)

Command = TypeVar("Command", bound=Callable[..., Any])


def validity_options(command: Command) -> Command:
    """The options that bound when and how often a version signs."""
    for option in (
        click.option("--not-before", type=click.DateTime(), help="signs from this moment on (UTC)"),
        click.option("--not-after", type=click.DateTime(), help="signs until this moment (UTC)"),
        click.option("--signature-limit", type=click.IntRange(min=1), help="signs at most so often"),
    ):
        command = option(command)
    return command


def validity_of(bounds: dict[str, Any]) -> dict[str, Any]:
    """What they gave, as the members of a route's body."""
    return {
        name: value.replace(tzinfo=UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in bounds.items()
        if value is not None
    }
