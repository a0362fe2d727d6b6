"""Who asks, as the environment says: an API token, a certificate, or a CI job whose token is exchanged here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from signer.answers import ClientError
from signer.client.ci_job import is_ci_job
from signer.client.ci_session import ci_session
from signer.client.settings import ClientSettings
from signer.client_credentials import CERTIFICATE_VARIABLE, ClientCertificate


def settings_from_environment(
    environment: Mapping[str, str] | None = None, *, certificate: ClientCertificate | None = None
) -> ClientSettings:
    """The ``ARTIFACT_SIGNER_…`` variables, with a credential of one caller; raises ``ClientError``.

    ``environment``: None: that of the process. ``certificate``: ask with this one, whatever the environment says.
    """
    variables = os.environ if environment is None else environment
    settings = ClientSettings.from_environment(variables)
    if certificate is not None:
        return settings.with_certificate(certificate)
    if settings.api_token is not None and settings.certificate is not None:
        raise ClientError(
            sentence=f"both an API token and {CERTIFICATE_VARIABLE} are given, and a request is made by one caller",
            hint="unset one of them",
        )
    if settings.api_token is not None or settings.certificate is not None:
        return settings
    if not is_ci_job(variables):
        raise ClientError(
            sentence="neither ARTIFACT_SIGNER_API_TOKEN nor ARTIFACT_SIGNER_API_TOKEN_FILE gives an API token",
            hint=f"source the client.env of the installation, or set {CERTIFICATE_VARIABLE}",
        )
    return replace(settings, api_token=ci_session(settings, variables))
