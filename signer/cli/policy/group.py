"""The group of all commands about the policy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import click

from signer.cli.lazy import Entry, LazyGroup

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "show": Entry(target="signer.cli.policy.applied:show", summary="show the policy in force, or one that was"),
        "apply": Entry(target="signer.cli.policy.applied:apply", summary="put a policy in force"),
        "check": Entry(target="signer.cli.policy.check:check", summary="say what the rules answer to one request"),
        "test": Entry(target="signer.cli.policy.cases:test", summary="try a table of cases on a policy"),
        "diff": Entry(target="signer.cli.policy.diff:diff", summary="compare two policies by their rules"),
        "floor": Entry(target="signer.cli.policy.floors:floor", summary="versions below which keys sign nothing"),
    }
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def policy() -> None:
    """Say who may sign what, and see it."""
