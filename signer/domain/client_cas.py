"""The CAs of clients, from the PEM files of an operator.

1. A file holds certificates of CAs, and nothing else: each issues clients' certificates itself, and may.
2. No key stands in two files: it would not be known which of the two has issued a certificate.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.domain.chains import MAX_BUNDLE_BYTES, PEM_BEGIN, PEM_BEGIN_CERTIFICATE, UNREADABLE
from signer.domain.client_certificates import ClientCa
from signer.domain.client_choices import CaUse, IdentityField
from signer.errors import ClientCaUnusable

MAX_ISSUERS = 32


def read_client_ca(
    unverified_pem: bytes, *, name: str, use: CaUse, field: IdentityField | None, attribute: str | None = None
) -> ClientCa:
    """The CA; raises ``ClientCaUnusable``."""
    try:
        issuers = _read(unverified_pem, name)
        for place, issuer in enumerate(issuers, start=1):
            _check(issuer, name, place)
    except UNREADABLE as error:
        raise ClientCaUnusable(name=name, reason="a certificate cannot be read") from error
    return ClientCa(name=name, use=use, field=field, attribute=attribute, issuers=issuers)


def distinct(cas: Iterable[ClientCa]) -> tuple[ClientCa, ...]:
    """The CAs, where no two of them have a key in common; raises ``ClientCaUnusable``."""
    seen: dict[bytes, str] = {}
    checked = tuple(cas)
    for ca in checked:
        for issuer in ca.issuers:
            spki = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            other = seen.setdefault(spki, ca.name)
            if other != ca.name:
                raise ClientCaUnusable(name=ca.name, reason=f"one of its keys is that of {other} too")
    return checked


def _read(unverified_pem: bytes, name: str) -> tuple[x509.Certificate, ...]:
    if len(unverified_pem) > MAX_BUNDLE_BYTES:
        raise ClientCaUnusable(name=name, reason=f"the file is larger than {MAX_BUNDLE_BYTES} bytes")
    count = unverified_pem.count(PEM_BEGIN)
    if count == 0 or count != unverified_pem.count(PEM_BEGIN_CERTIFICATE):
        raise ClientCaUnusable(name=name, reason="the file does not hold PEM certificates alone")
    if count > MAX_ISSUERS:
        raise ClientCaUnusable(name=name, reason=f"the file holds more than {MAX_ISSUERS} certificates")
    found = tuple(x509.load_pem_x509_certificates(unverified_pem))
    if len(found) != count:
        raise ClientCaUnusable(name=name, reason="a certificate cannot be read")
    return found


def _check(issuer: x509.Certificate, name: str, place: int) -> None:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    if constraints is None or not constraints.ca:
        raise ClientCaUnusable(name=name, reason=f"certificate {place} is not that of a CA")
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise ClientCaUnusable(name=name, reason=f"certificate {place} may not sign certificates")
