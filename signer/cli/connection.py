"""What every command that asks the service has in common."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from signer.answers import ClientError
from signer.ci_job import is_ci_job
from signer.ci_session import ci_session
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
    """The client, as the environment says: with the API token that it gives, or with the session of a CI job."""
    settings = ClientSettings.from_environment(os.environ)
    if settings.api_token is not None:
        return Client(settings)
    if not is_ci_job(os.environ):
        raise ClientError(
            sentence="neither ARTIFACT_SIGNER_API_TOKEN nor ARTIFACT_SIGNER_API_TOKEN_FILE gives an API token",
            hint="source the client.env of the installation",
        )
    return Client(replace(settings, api_token=ci_session(settings, os.environ)))
