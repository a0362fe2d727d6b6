"""``artifact-signer client-certificates``: what a client's certificate proves, and which prove nothing any more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.cli.access_sources import opened
from signer.cli.connection import either_option, json_option
from signer.cli.local import config_option
from signer.cli.output import note, show_json, table
from signer.config import load_settings

if TYPE_CHECKING:
    from signer.domain.client_certificates import ProvedCertificate


@click.group("client-certificates")
def client_certificates() -> None:
    """Look at certificates of clients, and revoke them."""


@client_certificates.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@config_option
def show(file: Path, *, as_json: bool, config: Path) -> None:
    """Say whom the certificate in FILE (PEM or DER) makes of a request, by the CAs of the configuration."""
    from signer.domain.client_certificates import proved_certificate
    from signer.tls import client_cas

    proved = proved_certificate(_der(file), client_cas(load_settings(config, os.environ).client_ca))
    facts = _facts(proved)
    if as_json:
        show_json(facts)
        return
    click.echo(table(("MEMBER", "VALUE"), list(facts.items())))


@client_certificates.command("list")
@json_option
@either_option
def list_revoked(*, as_json: bool, config: Path | None) -> None:
    """List the certificates that are revoked."""
    with opened(config, "client-certificates list") as access:
        found = access.revoked_certificates()
    if as_json:
        show_json(found)
        return
    rows = [
        (each["ca"], each["serial"], each["revoked_at"], each["actor"], each["reason"])
        for each in found["revoked_certificates"]
    ]
    click.echo(table(("CA", "SERIAL", "REVOKED", "ACTOR", "REASON"), rows))


@client_certificates.command()
@click.argument("ca")
@click.argument("serial")
@click.option("--reason", required=True, help="why; on record")
@either_option
def revoke(ca: str, serial: str, *, reason: str, config: Path | None) -> None:
    """Let the certificate SERIAL (hex) of the client CA named CA prove nothing any more, for ever."""
    with opened(config, "client-certificates revoke") as access:
        done = access.revoke_certificate(ca, serial, reason)
    note(f"revoked certificate {serial} of {ca}" if done else f"certificate {serial} of {ca} was revoked before")


def _der(file: Path) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from signer.errors import ClientCertificateRejected

    content = file.read_bytes()
    if b"-----BEGIN " not in content:
        return content
    try:
        # Others after it are its issuers.
        return x509.load_pem_x509_certificates(content)[0].public_bytes(Encoding.DER)
    except ValueError as error:
        raise ClientCertificateRejected(reason="it cannot be read") from error


def _facts(proved: ProvedCertificate) -> dict[str, str | None]:
    from signer.domain.timestamps import rfc3339

    return {
        "identity": proved.identity,
        "ca": proved.ca,
        "use": proved.use.value,
        "field": None if proved.field is None else proved.field.value,
        "serial": proved.serial,
        "sha256": proved.sha256,
        "not_before": rfc3339(proved.not_before),
        "not_after": rfc3339(proved.not_after),
    }
