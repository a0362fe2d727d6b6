"""What every command that asks the service has in common."""

from __future__ import annotations

import os
from pathlib import Path

import click

from signer.client import Client, ClientSettings

# Without it the command asks the service.
either_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ARTIFACT_SIGNER_CONFIG",
    help="work on the database of this configuration (ARTIFACT_SIGNER_CONFIG), instead of asking the service",
)
json_option = click.option("--json", "as_json", is_flag=True, help="write the service's JSON document")


def connected() -> Client:
    """The client, as the environment says."""
    return Client(ClientSettings.from_environment(os.environ))
