"""``artifact-signer log``: the group of all commands about the log, one module for each family."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import click

from signer.cli.lazy import Entry, LazyGroup

COMMANDS: Mapping[str, Entry] = MappingProxyType(
    {
        "create": Entry(target="signer.cli.log_setup:create", summary="make the log of an installation, and its keys"),
        "resume": Entry(target="signer.cli.log_setup:resume", summary="let a log go on whose file is lost"),
        "verify": Entry(target="signer.cli.log_verify:verify", summary="check every leaf, hash and signature of a log"),
        "export": Entry(target="signer.cli.log_verify:export", summary="copy a log into a folder"),
        "show": Entry(target="signer.cli.log_show:show", summary="show leaves of the log"),
        "search": Entry(target="signer.cli.log_show:search", summary="find leaves by what they say"),
        "monitor": Entry(target="signer.cli.log_monitor:monitor", summary="tell what nobody expects in a log"),
        "recall": Entry(target="signer.cli.log_recall:recall", summary="take a bad release back, for ever"),
        "recalled": Entry(target="signer.cli.log_recall:recalled", summary="write the list of recalls for devices"),
        "witness": Entry(target="signer.cli.log_witness:witness", summary="sign checkpoints that continue a log"),
    }
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def log() -> None:
    """Look after the log of signatures, and watch it."""
