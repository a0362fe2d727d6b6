"""``artifact-signer keys certificate``, ``csr``, ``import-certificate``, ``public-keys``, ``export``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from signer.answers import PEM_MEDIA_TYPE
from signer.cli.connection import connected, json_option
from signer.cli.key_files import export_keys
from signer.cli.output import note, show_json
from signer.client import key_path
from signer.domain.keys import Purpose, checked_name

# More than any bundle that the service takes.
MAX_FILE_BYTES = 1 << 20

Command = TypeVar("Command", bound=Callable[..., Any])

version_option = click.option("--version", "number", type=click.IntRange(min=1), required=True)


def parameter_options(command: Command) -> Command:
    """The options that say what a certificate is to hold."""
    for option in (
        click.option("--san", multiple=True, metavar="KIND:NAME", help="alternative name: dns, email, ip or uri"),
        click.option("--subject", metavar="NAME", help="distinguished name (RFC 4514; CN=NAME of the key)"),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@version_option
@click.option("--new", is_flag=True, help="make a self-signed one; so do the options below")
@parameter_options
@click.option("--days", type=int, help="valid for so long (as long as the version signs)")
@json_option
def certificate(
    name: str, *, number: int, new: bool, subject: str | None, san: tuple[str, ...], days: int | None, as_json: bool
) -> None:
    """Show the certificate of a version of NAME with its chain as PEM, or make a self-signed one."""
    path = key_path(name, "versions", number, "certificate")
    parameters = _parameters(subject, san) | ({"days": days} if days is not None else {})
    with connected() as client:
        document = client.ask(path, parameters) if new or parameters else client.read(path)
    _show_certificate(document, as_json=as_json)


@click.command()
@click.argument("name")
@version_option
@parameter_options
@json_option
def csr(name: str, *, number: int, subject: str | None, san: tuple[str, ...], as_json: bool) -> None:
    """Make a certificate signing request for a version of NAME, signed in the token, for a CA."""
    with connected() as client:
        document = client.ask(key_path(name, "versions", number, "csr"), _parameters(subject, san))
    if as_json:
        show_json(document)
        return
    note(f"request for {document['subject']}")
    click.echo(document["request"], nl=False)


@click.command("import-certificate")
@click.argument("name")
@version_option
@click.argument("file", type=click.File("rb"))
@json_option
def import_certificate(name: str, *, number: int, file: Any, as_json: bool) -> None:
    """Import the certificate that a CA made for a version of NAME: PEM, then its issuers in order."""
    content = file.read(MAX_FILE_BYTES)
    with connected() as client:
        document = client.put(key_path(name, "versions", number, "certificate"), content, PEM_MEDIA_TYPE)
    if as_json:
        show_json(document)
        return
    note(f"imported {document['subject']}, issued by {document['issuer']}, valid until {document['not_after']}")


@click.command("public-keys")
@click.argument("name")
@json_option
def public_keys(name: str, *, as_json: bool) -> None:
    """Write the public keys of NAME that devices should trust now, as a PEM bundle."""
    with connected() as client:
        document = client.read(key_path(name, "public-keys"))
    if as_json:
        show_json(document)
        return
    for entry in document["public_keys"]:
        note(f"version {entry['version']} is {entry['state']}, fingerprint {entry['fingerprint']}")
        click.echo(entry["public_key"], nl=False)


@click.command()
@click.argument("name")
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), required=True, help="folder")
@click.option("--device-dir", metavar="PATH", help="where the folder will be on the device (DIR)")
@json_option
def export(name: str, *, directory: Path, device_dir: str | None, as_json: bool) -> None:
    """Write one file for each public key of NAME that devices should trust now, and remove those of others.

    The output is the part of mender.conf that names the files.
    """
    key = checked_name(name)
    with connected() as client:
        document = client.read(key_path(key, "public-keys"))
    if document["purpose"] != Purpose.ARTIFACT:
        raise click.UsageError(f"key {key} is for {document['purpose']}, devices take artifact keys only")
    exported = export_keys(
        directory,
        key,
        {int(entry["version"]): entry["public_key"].encode("ascii") for entry in document["public_keys"]},
    )
    base = Path(device_dir) if device_dir else directory.resolve()
    fragment = {"ArtifactVerifyKeys": [str(base / path.name) for path in exported.files]}
    if as_json:
        files, removed = ([str(path) for path in paths] for paths in (exported.files, exported.removed))
        show_json({"key": key, "files": files, "removed": removed, **fragment})
        return
    for path in exported.files:
        note(f"wrote {path}")
    for path in exported.removed:
        note(f"removed {path}")
    click.echo(json.dumps(fragment, indent=2))


COMMANDS = (certificate, csr, import_certificate, public_keys, export)


def _parameters(subject: str | None, san: tuple[str, ...]) -> dict[str, Any]:
    return ({"subject": subject} if subject is not None else {}) | ({"san": list(san)} if san else {})


def _show_certificate(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(document)
        return
    kind = "self-signed" if document["self_signed"] else f"issued by {document['issuer']}"
    note(f"{document['subject']}, {kind}, valid until {document['not_after']}")
    click.echo(document["certificate"] + document["chain"], nl=False)
