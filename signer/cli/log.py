"""``artifact-signer log``: the group of all commands about the log, one module for each family."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import click

from signer.cli.lazy import Entry, LazyGroup

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "witness": Entry(target="signer.cli.log_witness:witness", summary="sign checkpoints that continue a log"),
    }
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def log() -> None:
    """Look after the log of signatures, and watch it."""
