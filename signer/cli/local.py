"""Commands on a local installation: ``init``, ``serve``, ``database``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.cli.output import note
from signer.config import Settings, load_settings

if TYPE_CHECKING:
    from signer.storage.database import Database

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ARTIFACT_SIGNER_CONFIG",
    required=True,
    help="configuration file (ARTIFACT_SIGNER_CONFIG)",
)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--bind", default="127.0.0.1:8443", show_default=True, help="HOST:PORT to serve https on")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="name or address of the service (repeat)")
def init(directory: Path, bind: str, hosts: tuple[str, ...]) -> None:
    """Make an installation in DIRECTORY: SoftHSM token, database, certificate, administrator's API token."""
    from signer.installation import create_installation

    made = create_installation(directory, bind=bind, hosts=hosts)
    note(f"made {made.config}")
    note(f"administrator's API token: {made.admin_token}")
    note(f"next: artifact-signer serve --config {made.config}")
    note(f"then: source {made.client_env} && artifact-signer keys create firmware --algorithm ecdsa-p256")


@click.command()
@config_option
def serve(config: Path) -> None:
    """Run the service until it is stopped."""
    from signer.server import serve as run_server

    run_server(load_settings(config, os.environ))


@click.group()
def database() -> None:
    """Look after the database."""


@database.command()
@config_option
def upgrade(config: Path) -> None:
    """Bring the database's schema to this release."""
    from signer.bootstrap import utc_now
    from signer.storage.database import Database
    from signer.storage.first_policy import first_policy

    settings = load_settings(config, os.environ)
    opened = Database(settings.database)
    try:
        before, expected = opened.upgrade(then=first_policy(utc_now))
        note(f"the database is at revision {expected}" + ("" if before != expected else ", as it was"))
        _take_certificate(settings, opened)
    finally:
        opened.close()


def _take_certificate(settings: Settings, database: Database) -> None:
    """What the service shows, put on record where it is not; told where that cannot be, and nothing fails."""
    from signer.bootstrap import utc_now
    from signer.errors import SignerError
    from signer.server_certificate_bootstrap import take_own_files

    try:
        taken = take_own_files(settings, database, utc_now, actor="artifact-signer database upgrade")
    except (SignerError, OSError) as error:
        reason = error.code if isinstance(error, SignerError) else (error.strerror or "it cannot be read")
        note(f"the service's certificate is not on record, its file is shown as before: {reason}")
        return
    if taken is not None:
        note(f"the service's certificate is on record as the active one of {taken.name}")
