"""``artifact-signer devices``: which devices there are, and what is decided about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from signer.answers import ClientError
from signer.cli.connection import either_option, json_option
from signer.cli.device_certificates import certificates
from signer.cli.device_import import import_devices
from signer.cli.device_sources import DeviceSource, Document, opened
from signer.cli.durations import Duration
from signer.cli.output import note, show_json, table

STATUSES = ("accepted", "preauthorized", "pending", "rejected", "noauth")
LONGEST = Duration(timedelta(days=365))
MAX_KEY_FILE = 16384

auth_set_option = click.option("--auth-set", metavar="ID", help="which of its keys; default: the only one it can be")
public_key_option = click.option(
    "--public-key",
    "public_key",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="the device's public key, PEM",
)


@click.group()
def devices() -> None:
    """Decide which devices get tokens, and by which keys."""


@devices.command("list")
@click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES), help="these alone; may be repeated")
@json_option
@either_option
def list_devices(statuses: tuple[str, ...], *, as_json: bool, config: Path | None) -> None:
    """List devices by status, and why a key gets no token."""
    with opened(config, "devices list") as source:
        found = source.devices(statuses)
    if as_json:
        show_json(found)
        return
    rows = [(each["id"], each["status"], _identity(each), _reasons(each), each.get("check_in_time")) for each in found]
    click.echo(table(("DEVICE", "STATUS", "IDENTITY", "REFUSED", "SEEN"), rows))


@devices.command()
@click.argument("device")
@json_option
@either_option
def show(device: str, *, as_json: bool, config: Path | None) -> None:
    """Show DEVICE with all its keys."""
    with opened(config, "devices show") as source:
        found = source.device(device)
    if as_json:
        show_json(found)
        return
    members = ("id", "status", "identity_sha256", "created_ts", "updated_ts", "check_in_time")
    rows = [(name, found.get(name)) for name in members]
    click.echo(table(("MEMBER", "VALUE"), [*rows, ("identity", _identity(found))]))
    keys = [
        (each["id"], each["status"], each["fingerprint"][:16], each.get("reason"), each.get("valid_until"))
        for each in found["auth_sets"]
    ]
    click.echo()
    click.echo(table(("AUTH SET", "STATUS", "KEY", "REFUSED", "UNTIL"), keys))


@devices.command()
@click.argument("device")
@auth_set_option
@either_option
def accept(device: str, *, auth_set: str | None, config: Path | None) -> None:
    """Let DEVICE get tokens by one of its keys; another that was accepted is rejected."""
    with opened(config, "devices accept") as source:
        chosen = auth_set or _only(source, device, lambda each: each["status"] in ("pending", "rejected"))
        source.decide(device, chosen, "accepted")
    note(f"accepted {device} by the key of {chosen}")


@devices.command()
@click.argument("device")
@auth_set_option
@either_option
def reject(device: str, *, auth_set: str | None, config: Path | None) -> None:
    """Let DEVICE get no tokens by one of its keys; those it has hold no longer."""
    with opened(config, "devices reject") as source:
        chosen = auth_set or _only(source, device, lambda each: each["status"] in ("pending", "accepted"))
        source.decide(device, chosen, "rejected")
    note(f"rejected the key of {chosen}")


@devices.command()
@click.option("--identity", required=True, metavar="JSON", help='what the device says of itself, such as {"mac":"…"}')
@public_key_option
@click.option("--force", is_flag=True, help="also where the identity is known: put this key beside those it has")
@either_option
def preauthorize(*, identity: str, public_key: Path, force: bool, config: Path | None) -> None:
    """Have a device accepted as soon as it asks."""
    _require_object(identity)
    with opened(config, "devices preauthorize") as source:
        source.preauthorize(identity, _pem(public_key), force=force)
    note("preauthorised; the device is accepted by its first request with this key")


@devices.command()
@click.argument("device")
@public_key_option
@auth_set_option
@click.option("--awaited-for", type=LONGEST, help="how long it is awaited, such as 7d; default: as configured")
@click.option("--overlap", type=LONGEST, help="how long the key before is heard again afterwards; default: not at all")
@either_option
def replace(
    device: str,
    *,
    public_key: Path,
    auth_set: str | None,
    awaited_for: timedelta | None,
    overlap: timedelta | None,
    config: Path | None,
) -> None:
    """Await the next key of DEVICE; the present one stays accepted until that asks."""
    with opened(config, "devices replace") as source:
        chosen = auth_set or _only(source, device, lambda each: each["status"] == "accepted")
        source.replace(device, chosen, _pem(public_key), awaited_for, overlap or timedelta(0))
    note(f"the next key of {device} is awaited; the present one holds until it asks")


@devices.command()
@click.argument("device")
@click.argument("auth_set", metavar="SET")
@either_option
def dismiss(device: str, auth_set: str, *, config: Path | None) -> None:
    """Take the key of SET, an authentication set, from DEVICE."""
    with opened(config, "devices dismiss") as source:
        source.dismiss(device, auth_set)
    note(f"dismissed {auth_set}")


@devices.command()
@click.argument("device")
@either_option
def decommission(device: str, *, config: Path | None) -> None:
    """Let DEVICE be none of the installation's; its tokens hold no longer."""
    with opened(config, "devices decommission") as source:
        source.decommission(device)
    note(f"decommissioned {device}; if it asks again it is a new device, which nobody has decided about")


devices.add_command(certificates)
devices.add_command(import_devices)


def _only(source: DeviceSource, device: str, fits: Callable[[Document], bool]) -> str:
    fitting = [each["id"] for each in source.device(device)["auth_sets"] if fits(each)]
    if len(fitting) != 1:
        raise ClientError(
            sentence=f"{len(fitting)} keys of {device} could be meant",
            hint=f"artifact-signer devices show {device} lists them; name one with --auth-set",
        )
    return str(fitting[0])


def _require_object(identity: str) -> None:
    try:
        value: Any = json.loads(identity)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise click.BadParameter("must be a JSON object", param_hint="--identity")


def _pem(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_KEY_FILE)
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise click.BadParameter("is no PEM file", param_hint="--public-key") from None


def _identity(document: Document) -> str:
    return json.dumps(document["identity_data"], ensure_ascii=False, separators=(",", ":"))


def _reasons(document: Document) -> str | None:
    return ", ".join(each["reason"] for each in document["auth_sets"] if "reason" in each) or None
