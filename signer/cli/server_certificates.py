"""``artifact-signer server-certificates``: certificates of TLS servers, replaced so that no device loses its way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from signer.cli.connection import either_option, json_option
from signer.cli.output import note, show_json, table
from signer.cli.server_certificate_probe import probe
from signer.cli.server_certificate_sources import Document, opened

# More than any bundle that the service takes.
MAX_FILE_BYTES = 1 << 20
SHOWN_DIGITS = 16

Command = TypeVar("Command", bound=Callable[..., Any])


def said_options(command: Command) -> Command:
    """The options that say what a certificate is to hold."""
    for option in (
        click.option("--san", multiple=True, metavar="KIND:NAME", help="dns:… or ip:… (those of the active one)"),
        click.option("--subject", metavar="NAME", help="distinguished name (RFC 4514; CN=NAME of the server)"),
    ):
        command = option(command)
    return command


@click.group("server-certificates")
def server_certificates() -> None:
    """Replace certificates of TLS servers, with overlap."""


server_certificates.add_command(probe)


@server_certificates.command()
@click.argument("name")
@said_options
@click.option("--days", type=int, help="valid for so long (the setting server_certificates.days)")
@click.option("--ca", metavar="KEY", help="issued by this key of purpose server-ca (certifies itself)")
@click.option("--csr", type=click.File("r"), help="for the key of this request (a pair is made); needs --ca")
@json_option
@either_option
def create(name: str, *, csr: Any, as_json: bool, config: Path | None, **wanted: Any) -> None:
    """Make the next certificate of the server NAME; nothing shows it yet."""
    if csr is not None and wanted["ca"] is None:
        raise click.UsageError("--csr needs the CA that issues for it: --ca")
    if wanted["ca"] is not None and config is not None:
        raise click.UsageError("--ca asks the running service, and so does not go with --config")
    request = None if csr is None else csr.read(MAX_FILE_BYTES)
    with opened(config, "server-certificates create") as source:
        made = source.create(name, _given(csr=request, **wanted))
    _told(made, as_json=as_json)
    note(f"next: artifact-signer server-certificates bundle {name}, and bring that file to the devices")


@server_certificates.command()
@click.argument("name")
@said_options
@either_option
def csr(name: str, *, config: Path | None, **wanted: Any) -> None:
    """Make a pair for the server NAME, and write a request for a CA."""
    with opened(config, "server-certificates csr") as source:
        request = source.request(name, _given(**wanted))
    click.echo(request, nl=False)


@server_certificates.command("import")
@click.argument("name")
@click.argument("file", type=click.File("r"))
@json_option
@either_option
def import_certificate(name: str, *, file: Any, as_json: bool, config: Path | None) -> None:
    """Take FILE (PEM: a certificate, then its issuers) as the next certificate of the server NAME."""
    content = file.read(MAX_FILE_BYTES)
    with opened(config, "server-certificates import") as source:
        taken = source.take(name, content)
    _told(taken, as_json=as_json)
    if taken["private_half"] == "outside":
        note("its private key is not on the machine that took it in")


@server_certificates.command("list")
@click.option("--server", "name", metavar="NAME", help="those of this server alone")
@json_option
@either_option
def list_certificates(name: str | None, *, as_json: bool, config: Path | None) -> None:
    """List the certificates of all servers, retired ones too."""
    with opened(config, "server-certificates list") as source:
        found = source.certificates(name)
    if as_json:
        show_json(found)
        return
    rows = [
        (
            each["server"],
            each["state"],
            each["certificate_sha256"][:SHOWN_DIGITS],
            each["not_after"],
            each["published_at"],
            each["private_half"],
            ", ".join(each["san"]),
        )
        for each in found["server_certificates"]
    ]
    click.echo(table(("SERVER", "STATE", "SHA-256", "ENDS", "IN BUNDLE SINCE", "PRIVATE KEY", "NAMES"), rows))


@server_certificates.command()
@click.argument("name")
@either_option
def bundle(name: str, *, config: Path | None) -> None:
    """Write what devices should trust of the server NAME, PEM: previous, active and next."""
    with opened(config, "server-certificates bundle") as source:
        text = source.bundle(name)
    click.echo(text, nl=False)


@server_certificates.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="although the bundle has not been out for long enough; on record")
@click.option("--reason", help="why; on record")
@either_option
def switch(name: str, *, force: bool, reason: str | None, config: Path | None) -> None:
    """Let the next certificate of the server NAME be shown, in running workers too."""
    with opened(config, "server-certificates switch") as source:
        source.switch(name, force=force, reason=reason)
    note(f"switched {name}: the certificate before stays in the bundle until it is retired")


@server_certificates.command()
@click.argument("name")
@click.argument("certificate")
@either_option
def retire(name: str, certificate: str, *, config: Path | None) -> None:
    """Take CERTIFICATE (SHA-256, or its beginning) of the server NAME from the bundle, for ever."""
    with opened(config, "server-certificates retire") as source:
        source.retire(name, certificate)
    note(f"retired {certificate}: no bundle of {name} has it any more")


def _told(certificate: Document, *, as_json: bool) -> None:
    if as_json:
        show_json(certificate)
        return
    fingerprint, names = certificate["certificate_sha256"][:SHOWN_DIGITS], ", ".join(certificate["san"])
    note(f"the next certificate of {certificate['server']} is {fingerprint}, until {certificate['not_after']}: {names}")


def _given(**members: Any) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in members.items()
        if value is not None and value != ()
    }
