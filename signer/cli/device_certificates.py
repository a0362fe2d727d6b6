"""``artifact-signer devices certificates``: issue, list and revoke certificates of devices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from signer.cli.connection import connected, either_option, json_option
from signer.cli.device_certificate_sources import CERTIFICATES, Chosen, all_certificates, opened
from signer.cli.output import note, show_json, table
from signer.new_file import NewFile

# More than any request that the service takes.
MAX_REQUEST_FILE = 65536


@click.group()
def certificates() -> None:
    """Look after the certificates that devices come with."""


@certificates.command()
@click.argument("ca")
@click.argument("csr", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--device", metavar="ID", help="whose it is, a device that is known")
@click.option("--identity", metavar="JSON", help='whose it is, what the device says of itself, such as {"serial":"…"}')
@json_option
def issue(ca: str, csr: Path, *, device: str | None, identity: str | None, as_json: bool) -> None:
    """Issue a certificate of CA for the key of the request CSR (PEM), of which nothing else is taken; PEM to stdout."""
    if (device is None) == (identity is None):
        raise click.UsageError("needs either --device or --identity")
    body: dict[str, Any] = {"ca": ca, "csr": _text(csr)}
    body |= {"device": device} if identity is None else {"identity": _object(identity)}
    with connected() as client:
        made = client.ask(CERTIFICATES, body)
    if as_json:
        show_json(made)
        return
    note(f"certificate {made['serial']} of {ca}, valid until {made['not_after']}")
    click.echo(made["certificate"], nl=False)


@certificates.command("list")
@click.option("--ca", help="of this CA alone")
@click.option("--device", metavar="ID", help="of this device alone")
@click.option("--within-days", type=click.IntRange(min=0, max=36500), help="that end in so many days alone")
@json_option
@either_option
def list_certificates(
    *, ca: str | None, device: str | None, within_days: int | None, as_json: bool, config: Path | None
) -> None:
    """List the certificates that were issued here."""
    with opened(config, "devices certificates list") as source:
        found = all_certificates(source, Chosen(ca=ca, device=device, within_days=within_days))
    if as_json:
        show_json({"device_certificates": found})
        return
    rows = [
        (each["ca"], each["serial"], each["identity_sha256"][:16], each["not_after"], each["revoked_at"])
        for each in found
    ]
    click.echo(table(("CA", "SERIAL", "IDENTITY", "ENDS", "REVOKED"), rows))


@certificates.command()
@click.argument("ca")
@click.argument("serial")
@click.option("--reason", required=True, help="why; on record")
@either_option
def revoke(ca: str, serial: str, *, reason: str, config: Path | None) -> None:
    """Let the certificate SERIAL (hex) of the CA of devices named CA prove nothing any more, for ever."""
    with opened(config, "devices certificates revoke") as source:
        done = source.revoke(ca, serial, reason)
    note(f"revoked certificate {serial} of {ca}" if done else f"certificate {serial} of {ca} was revoked before")


@certificates.command()
@click.argument("ca")
@json_option
@either_option
def serials(ca: str, *, as_json: bool, config: Path | None) -> None:
    """Write the serial numbers that are revoked of CA, one hex number a line."""
    with opened(config, "devices certificates serials") as source:
        found = source.revoked(ca)
    if as_json:
        show_json({"ca": ca, "revoked": found})
        return
    for serial in found:
        click.echo(serial)


@certificates.command()
@click.argument("ca")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="file that it replaces when it is whole")
def crl(ca: str, *, out: Path | None) -> None:
    """Write the list of revoked certificates of CA as its key has signed it, PEM, to stdout or a file."""
    with connected() as client:
        text = client.text(f"{CERTIFICATES}/{quote(ca, safe='')}/crl")
    if out is None:
        click.echo(text, nl=False)
        return
    with NewFile(out) as file:
        file.write(text.encode("ascii"))
    note(f"wrote {out}")


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_REQUEST_FILE)
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise click.BadParameter("is no PEM file", param_hint="CSR") from None


def _object(text: str) -> dict[str, Any]:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise click.BadParameter("must be a JSON object", param_hint="--identity")
    return value
