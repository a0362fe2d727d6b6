"""What every command that asks the service has in common."""

from __future__ import annotations

from pathlib import Path

import click

from signer.answers import ClientError
from signer.cli.output import note
from signer.client import Client, settings_from_environment
from signer.client_credentials import ClientCertificate

# Without it the command asks the service.
either_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ARTIFACT_SIGNER_CONFIG",
    help="work on the database of this configuration (ARTIFACT_SIGNER_CONFIG), instead of asking the service",
)
json_option = click.option("--json", "as_json", is_flag=True, help="write the service's JSON document")


def connected(certificate: ClientCertificate | None = None) -> Client:
    """The client, as the environment says: with the API token or the certificate that it gives, or with the session of
    a CI job. ``certificate``: with this one, whatever the environment says.
    """
    return Client(settings_from_environment(certificate=certificate), told=_asking_again)


def _asking_again(error: ClientError, seconds: float) -> None:
    note(f"{error.sentence}: asking again in {seconds:.1f} s")
