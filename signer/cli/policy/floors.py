"""``policy floor``: how far the versions of what keys sign have come, and the way back."""

from __future__ import annotations

from pathlib import Path

import click

from signer.cli.access_sources import opened
from signer.cli.connection import either_option, json_option
from signer.cli.output import note, show_json, table
from signer.domain.access.versions import Order


@click.group()
def floor() -> None:
    """Look at the versions below which keys sign nothing, and set them."""


@floor.command()
@click.option("--key", help="only of this key")
@json_option
@either_option
def show(*, key: str | None, as_json: bool, config: Path | None) -> None:
    """List the newest version that each key signed, by device type and payload type."""
    with opened(config, "policy floor show") as access:
        found = access.floors(key)
    if as_json:
        show_json(found)
        return
    members = ("key", "device_type", "payload_type", "version", "order", "leaf")
    rows = [tuple(each[member] for member in members) for each in found["floors"]]
    click.echo(table(("KEY", "DEVICE TYPE", "PAYLOAD TYPE", "VERSION", "ORDER", "LEAF"), rows))


@floor.command("set")
@click.argument("key")
@click.argument("device_type", metavar="DEVICE")
@click.argument("payload_type", metavar="PAYLOAD")
@click.option("--version", required=True, help="nothing older is signed from now on")
@click.option("--order", type=click.Choice([order.value for order in Order]), required=True, help="how it is ordered")
@click.option("--reason", required=True, help="why; on record")
@either_option
def set_floor(
    key: str, device_type: str, payload_type: str, *, version: str, order: str, reason: str, config: Path | None
) -> None:
    """Set the version below which KEY signs nothing for the types DEVICE and PAYLOAD, higher or lower than it is."""
    with opened(config, "policy floor set") as access:
        access.set_floor((key, device_type, payload_type), order, version, reason)
    note(f"{key} signs nothing older than {version} for {device_type} and {payload_type}")
