"""What a CA of the service issues: the template that says all of a certificate but its issuer, and what comes of it.

1. The use decides what a certificate is good for, and which CA signs it: nothing else of a template does.
2. A certificate begins a margin before it is made, for clocks that are behind, but never before its CA's; it ends no
   later than its CA's.
3. Serial numbers are random, positive and of 20 octets at most (RFC 5280 section 4.1.2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from signer.domain.certificate_extensions import CLIENTS_ONLY, SERVERS_ONLY
from signer.domain.certificates import MAX_DAYS
from signer.domain.messages import ContentMessage, DeviceCertificateContent, ServerCertificateContent
from signer.errors import CertificateRejected

CertifiedKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey


class CertificateUse(StrEnum):
    """What an issued certificate is good for."""

    SERVER = "server"
    DEVICE = "device"


USE_MESSAGES: Mapping[CertificateUse, Callable[[bytes], ContentMessage]] = MappingProxyType(
    {CertificateUse.SERVER: ServerCertificateContent, CertificateUse.DEVICE: DeviceCertificateContent}
)
USE_EXTENSIONS: Mapping[CertificateUse, x509.ExtendedKeyUsage] = MappingProxyType(
    {CertificateUse.SERVER: SERVERS_ONLY, CertificateUse.DEVICE: CLIENTS_ONLY}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTemplate:
    """What shall be issued, from checked parts.

    Attributes:
        names: subject alternative names, or None for a certificate without.
        lifetime: from the moment of issue to the end.
        margin: how long before the moment of issue it begins.
    """

    use: CertificateUse
    subject: x509.Name
    public_key: CertifiedKey
    names: x509.SubjectAlternativeName | None
    lifetime: timedelta
    margin: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A certificate that a CA of the service signed, and nobody has yet.

    Attributes:
        pem: the certificate; ``chain_pem`` the CA's own and those above it, its issuer first.
        serial: lowercase hex without leading zeros.
        fingerprint: lowercase hex SHA-256 of the DER certificate.
        ca_key: name of the CA's key, ``ca_version`` the number of the version that signed.
    """

    pem: str
    chain_pem: str
    serial: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    ca_key: str
    ca_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedSerial:
    """A certificate that is revoked, by its serial number; ``at``: since when."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRevocationList:
    """A list of revoked certificates that a CA of the service has signed; aware UTC, whole seconds."""

    der: bytes
    this_update: datetime
    next_update: datetime


def issued_period(template: CertificateTemplate, ca: x509.Certificate, *, now: datetime) -> tuple[datetime, datetime]:
    """First and last second of what ``ca`` issues now, aware UTC; raises ``CertificateRejected``."""
    if not timedelta(0) < template.lifetime <= timedelta(days=MAX_DAYS):
        raise CertificateRejected(reason=f"a certificate is valid for 1 to {MAX_DAYS} days")
    moment = now.astimezone(UTC).replace(microsecond=0)
    if not ca.not_valid_before_utc <= moment <= ca.not_valid_after_utc:
        raise CertificateRejected(reason="the CA's own certificate is not valid now")
    if template.lifetime > ca.not_valid_after_utc - moment:
        raise CertificateRejected(
            reason=f"it would be valid longer than the CA's certificate, which ends {ca.not_valid_after_utc:%Y-%m-%d}"
        )
    return max(moment - template.margin, ca.not_valid_before_utc), moment + template.lifetime
