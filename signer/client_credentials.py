"""A certificate by which the command line shows who it is, in the place of an API token."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from signer.answers import ClientError

CERTIFICATE_VARIABLE = "ARTIFACT_SIGNER_CLIENT_CERTIFICATE"
KEY_VARIABLE = "ARTIFACT_SIGNER_CLIENT_KEY"
REFUSED_HINT = "the service may have refused the client's certificate: its log says why"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """PEM files: the certificate, its issuers after it where the service does not have them, and its key.

    ``key``: None where it stands in the file of the certificate.
    """

    certificate: Path
    key: Path | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ClientCertificate | None:
        """As the variables say; None where they say nothing."""
        certificate, key = environment.get(CERTIFICATE_VARIABLE), environment.get(KEY_VARIABLE)
        if not certificate:
            if key:
                raise ClientError(sentence=f"{KEY_VARIABLE} is set without {CERTIFICATE_VARIABLE}")
            return None
        return cls(certificate=Path(certificate), key=Path(key) if key else None)

    def load(self, context: ssl.SSLContext) -> None:
        """Show it in the handshakes of this context; raises ``ClientError``."""
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except OSError as error:  # of ``ssl`` too
            raise ClientError(
                sentence=f"the client certificate {self.certificate} cannot be used: {_reason(error)}",
                hint="it and its key are PEM files, the key without a password",
            ) from error


class _Encrypted(OSError):
    """The key has a password, and nobody is there to be asked."""


def _no_password() -> bytes:
    raise _Encrypted


def _reason(error: OSError) -> str:
    match error:
        case _Encrypted():
            return "its key is encrypted"
        case ssl.SSLError(reason="KEY_VALUES_MISMATCH"):
            return "the key is that of another certificate"
        case ssl.SSLError():
            return "certificate or key is not PEM"
        case _:
            # Of the two files, the one that it was does not say.
            return error.strerror or "it cannot be read"
