"""Where the service is, and how to prove who asks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from signer.answers import ClientError
from signer.client_credentials import CERTIFICATE_VARIABLE, KEY_VARIABLE, ClientCertificate

RETRY_VARIABLE = "ARTIFACT_SIGNER_RETRY_SECONDS"
VARIABLES = ("ARTIFACT_SIGNER_URL", "ARTIFACT_SIGNER_API_TOKEN", "ARTIFACT_SIGNER_API_TOKEN_FILE",
             "ARTIFACT_SIGNER_CA_FILE", "ARTIFACT_SIGNER_TIMEOUT", RETRY_VARIABLE, "ARTIFACT_SIGNER_LOG_KEY_FILE",
             "ARTIFACT_SIGNER_CI_TOKEN", "ARTIFACT_SIGNER_CI_AUDIENCE",
             CERTIFICATE_VARIABLE, KEY_VARIABLE)  # fmt: skip
DEFAULT_TIMEOUT_SECONDS = 150.0
MAX_TIMEOUT_SECONDS = 86400.0
DEFAULT_RETRY_SECONDS = 30.0
MAX_RETRY_SECONDS = 3600.0
# What a header field can carry (RFC 6750 section 2.1); a library would repeat anything else in its complaint.
TOKEN_CHARACTERS = re.compile(r"[A-Za-z0-9._~+/=-]+")


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Where the service is and how to prove who asks. The token is never in ``repr``.

    Attributes:
        url: ``https://HOST[:PORT]``; ``http://`` for loopback addresses only.
        api_token: an API token or a session; None where nothing was given.
        ca_file: PEM certificates to trust, and no others; None: those of the system.
        timeout: seconds to wait for the service.
        retry_seconds: for how long what may be asked again is asked again; 0: not at all.
        certificate: shown in the handshake.
    """

    url: str
    api_token: str | None
    ca_file: Path | None
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    retry_seconds: float = DEFAULT_RETRY_SECONDS
    certificate: ClientCertificate | None = None

    def __repr__(self) -> str:
        return f"ClientSettings(url={self.url!r}, ca_file={self.ca_file!r})"

    def as_nobody(self, timeout: float, retry_seconds: float) -> ClientSettings:
        """The same service, asked without a credential, and with no longer waits than these."""
        return replace(
            self,
            api_token=None,
            certificate=None,
            timeout=min(self.timeout, timeout),
            retry_seconds=min(self.retry_seconds, retry_seconds),
        )

    def with_certificate(self, certificate: ClientCertificate) -> ClientSettings:
        """The same service, asked by who has this certificate and by nobody else."""
        return replace(self, api_token=None, certificate=certificate)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ClientSettings:
        """Read the ``ARTIFACT_SIGNER_…`` variables; raises ``ClientError`` with what to set."""
        url = environment.get("ARTIFACT_SIGNER_URL")
        if not url:
            raise ClientError(
                sentence="ARTIFACT_SIGNER_URL is not set", hint="source the client.env of the installation"
            )
        ca_file = environment.get("ARTIFACT_SIGNER_CA_FILE")
        retry_seconds = _seconds(environment, RETRY_VARIABLE, DEFAULT_RETRY_SECONDS)
        if not 0 <= retry_seconds <= MAX_RETRY_SECONDS:
            raise ClientError(sentence=f"{RETRY_VARIABLE} is not a number of seconds from 0 to {MAX_RETRY_SECONDS:g}")
        return cls(
            url=url.rstrip("/"),
            api_token=_api_token(environment),
            ca_file=Path(ca_file) if ca_file else None,
            timeout=_timeout(environment),
            retry_seconds=retry_seconds,
            certificate=ClientCertificate.from_environment(environment),
        )


def _timeout(environment: Mapping[str, str]) -> float:
    timeout = _seconds(environment, "ARTIFACT_SIGNER_TIMEOUT", DEFAULT_TIMEOUT_SECONDS)
    if not 0 < timeout <= MAX_TIMEOUT_SECONDS:
        raise ClientError(
            sentence=f"ARTIFACT_SIGNER_TIMEOUT is not a number of seconds over 0 to {MAX_TIMEOUT_SECONDS:g}"
        )
    return timeout


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    """NaN, which is in no range, for what is no number."""
    text = environment.get(name)
    try:
        return default if text is None else float(text)
    except ValueError:
        return math.nan


def _api_token(environment: Mapping[str, str]) -> str | None:
    path = environment.get("ARTIFACT_SIGNER_API_TOKEN_FILE")
    token = environment.get("ARTIFACT_SIGNER_API_TOKEN", "")
    if not token and path:
        try:
            token = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ClientError(sentence=f"the API token file {path} cannot be read: {reason}") from error
    if not token:
        return None
    if not TOKEN_CHARACTERS.fullmatch(token):
        raise ClientError(sentence="the API token holds characters that no API token has")
    return token
