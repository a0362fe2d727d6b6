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
from signer.client_credentials import CERTIFICATE_VARIABLE, ClientCertificate

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
    settings = ClientSettings.from_environment(os.environ)
    if certificate is not None:
        return Client(settings.with_certificate(certificate))
    if settings.api_token is not None and settings.certificate is not None:
        raise ClientError(
            sentence=f"both an API token and {CERTIFICATE_VARIABLE} are given, and a request is made by one caller",
            hint="unset one of them",
        )
    if settings.api_token is not None or settings.certificate is not None:
        return Client(settings)
    if not is_ci_job(os.environ):
        raise ClientError(
            sentence="neither ARTIFACT_SIGNER_API_TOKEN nor ARTIFACT_SIGNER_API_TOKEN_FILE gives an API token",
            hint=f"source the client.env of the installation, or set {CERTIFICATE_VARIABLE}",
        )
    return Client(replace(settings, api_token=ci_session(settings, os.environ)))
