"""What a certificate says, in words for people and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes

NAME_KINDS: Mapping[type[x509.GeneralName], str] = MappingProxyType(
    {
        x509.DNSName: "dns",
        x509.RFC822Name: "email",
        x509.IPAddress: "ip",
        x509.UniformResourceIdentifier: "uri",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """One certificate.

    Attributes:
        fingerprint: lowercase hex SHA-256 of the DER certificate (not of its public key).
        serial: lowercase hex.
        subject: RFC 4514 string, as ``issuer``.
        names: subject alternative names as ``dns:…``, ``email:…``, ``ip:…``, ``uri:…``; other kinds are left out.
        not_before: first second of its validity, aware UTC; ``not_after`` the last one.
    """

    fingerprint: str
    serial: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime


def certificate_facts(pem: str) -> CertificateFacts:
    """The facts of a certificate that was checked before, in PEM."""
    certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
    return CertificateFacts(
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        serial=f"{certificate.serial_number:x}",
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=_names(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(f"{NAME_KINDS[type(name)]}:{name.value}" for name in names if type(name) in NAME_KINDS)
