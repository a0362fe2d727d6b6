"""``artifact-signer keys import``: a key from a file, on the machine of the service.

A private key travels to no service: the command opens database and tokens of the installation itself.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from signer.cli.connection import json_option
from signer.cli.key_options import validity_options
from signer.cli.key_output import show_key
from signer.cli.output import complain, note

if TYPE_CHECKING:
    from hsm import KeyMaterial
    from signer.config import Settings
    from signer.services.key_imports import ImportRequest
    from signer.services.lifecycle import StepResult

ACTOR = "artifact-signer keys import"
PURPOSES = ("artifact", "user-token", "device-token")
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("import")
@click.argument("name")
@click.option("--private-key", type=FILE, help="file with the private key: PEM, PKCS#8, PKCS#1 or SEC1")
@click.option("--passphrase-file", type=FILE, help="file with the passphrase of that file, on one line")
@click.option("--public-key", type=FILE, help="file with its public key or certificate, PEM; alone: it only verifies")
@click.option("--purpose", type=click.Choice(PURPOSES), help="of a new key (artifact)")
@click.option("--token", "tokens", multiple=True, help="token to live in (repeat; all configured ones)")
@validity_options
@json_option
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ARTIFACT_SIGNER_CONFIG",
    help="configuration file (ARTIFACT_SIGNER_CONFIG; beside the certificate of ARTIFACT_SIGNER_CA_FILE)",
)
def import_key(
    name: str,
    *,
    private_key: Path | None,
    passphrase_file: Path | None,
    public_key: Path | None,
    purpose: str | None,
    tokens: tuple[str, ...],
    as_json: bool,
    config: Path | None,
    **bounds: Any,
) -> None:
    """Take a key from a file into the tokens, as the key NAME or its next version."""
    if private_key is None and public_key is None:
        raise click.UsageError("name a file with --private-key or --public-key")
    if passphrase_file is not None and private_key is None:
        raise click.UsageError("--passphrase-file goes with --private-key")
    from signer.domain.keys import Purpose, Validity
    from signer.key_files import read_pair, read_public_key
    from signer.services.key_imports import ImportRequest

    settings = _installation(config)
    request = ImportRequest(
        unverified_name=name,
        purpose=None if purpose is None else Purpose(purpose),
        tokens=tokens,
        validity=Validity(**_utc(bounds)),
    )
    if private_key is None:
        assert public_key is not None  # noqa: S101  (one of the two is given)
        _tell(_imported(settings, request, read_public_key(public_key)), as_json=as_json)
        return
    _warn_of(passphrase_file)
    pair = read_pair(private_key, passphrase_file, public_key_file=public_key)
    result = _imported(settings, request, pair)
    _tell(result, as_json=as_json)
    note(f"{private_key} is needed no more: when the tokens are backed up, remove it and every copy (shred -u)")
    note(f"whoever has a copy signs as this key: artifact-signer keys plan {name} says how to leave it behind")


COMMANDS = (import_key,)


def _installation(config: Path | None) -> Settings:
    """Its settings: of ``config``, or of the installation on this machine that the client's environment points to."""
    from signer.config import load_settings
    from signer.installation import CONFIG_NAME

    if config is not None:
        return load_settings(config, os.environ)
    certificate = Path(os.environ.get("ARTIFACT_SIGNER_CA_FILE", ""))
    beside = certificate.with_name(CONFIG_NAME) if certificate.name else None
    if beside is not None and beside.is_file():
        settings = load_settings(beside, os.environ)
        own = settings.server.certificate
        if own.is_file() and certificate.is_file() and own.samefile(certificate):
            note(f"imports into the installation of {beside}")
            return settings
    raise click.UsageError(
        "a private key travels to no service: run this on the service's machine, with --config or "
        "ARTIFACT_SIGNER_CONFIG"
    )


def _imported(settings: Settings, request: ImportRequest, key: KeyMaterial | bytes) -> StepResult:
    from signer.bootstrap import build_application, build_key_imports, local_parts
    from signer.domain.identity import Identity, Role
    from signer.log_creation import opened_with_tokens

    identity = Identity(name=ACTOR, role=Role.ADMINISTRATOR)
    with opened_with_tokens(settings) as (database, pool):
        parts = local_parts(settings, database=database, tokens=pool)
        imports = build_key_imports(settings, parts, build_application(settings, parts))
        if isinstance(key, bytes):
            return imports.public_key(identity, request, key)
        # One that does not open in time is told by the step that needs it, with its reason.
        pool.wait_ready(settings.signing.timeout)
        return imports.pair(identity, request, key)


def _tell(result: StepResult, *, as_json: bool) -> None:
    from signer.web.documents import key_document

    show_key({**key_document(result.key, None), "warnings": list(result.warnings)}, as_json=as_json)


def _utc(bounds: dict[str, Any]) -> dict[str, Any]:
    from datetime import UTC, datetime

    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in bounds.items()}


def _warn_of(passphrase_file: Path | None) -> None:
    from signer.key_files import others_may_read

    if passphrase_file is not None and others_may_read(passphrase_file):
        complain(f"warning: {passphrase_file} can be read by others than its owner")
