"""What a certificate says about the client that holds its key: from unchecked DER to an identity's value.

1. The issuer is found by its signature: one of the certificates in the file of a configured CA has issued the client's
   itself. What else the two say about each other proves nothing.
2. It is for clients (extended key usage), makes digital signatures, is no CA's, and has no critical extension that is
   not understood.
3. The identity is the *one* value of the field that the settings name for this CA: printable, bounded, whole.
4. It is valid no longer than its issuer. Neither that nor a revocation is judged here: both change with time, and are
   looked at for each request.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signer.domain.chains import UNREADABLE, WEAK_HASHES
from signer.domain.client_choices import CaUse, IdentityField
from signer.errors import (
    ClientCertificateExpired,
    ClientCertificateIssuerUnknown,
    ClientCertificateNotYetValid,
    ClientCertificateRejected,
)
from signer.errors.client_certificates import (
    ClientCertificateNameAmbiguous,
    ClientCertificateNameInvalid,
    ClientCertificateNameMissing,
    ClientCertificateOfCa,
)

Extension = TypeVar("Extension", bound=x509.ExtensionType)

# The first part of the names of identities.
IDENTITY_KIND = "mtls"
MAX_CERTIFICATE_BYTES = 16 << 10
# With the name of its CA, no longer than any name of an identity.
MAX_VALUE_CHARACTERS = 128
PRINTABLE = re.compile("[ -~]+")
HOST = re.compile(r"(?!.*\.\.)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCa:
    """A CA that the settings name.

    Attributes:
        field: names the holder; None for a CA of devices that are not named.
        attribute: the member of a device's identity that ``field`` has the value of; None without a field of devices.
        issuers: the certificates that issue clients' own, as ``client_cas`` has checked them.
    """

    name: str
    use: CaUse
    field: IdentityField | None
    attribute: str | None = None
    issuers: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedCertificate:
    """A client's certificate that a configured CA has issued for it.

    Attributes:
        ca: name of the CA.
        value: what ``field`` says; None where nothing names the holder.
        attribute: the member of a device's identity that has to be ``value``.
        key_sha256: of its public key (DER SubjectPublicKeyInfo), lowercase hex.
        serial: lowercase hex, as long as it is.
        sha256: of the DER certificate, lowercase hex.
        not_before: first moment at which it and its issuer are valid, aware UTC; ``not_after`` the last.
    """

    ca: str
    use: CaUse
    field: IdentityField | None
    value: str | None
    attribute: str | None
    key_sha256: str
    serial: str
    sha256: str
    not_before: datetime
    not_after: datetime

    @property
    def identity(self) -> str | None:
        """The name of the caller that it makes; None where it is that of a device."""
        return f"{IDENTITY_KIND}:{self.ca}:{self.value}" if self.use is CaUse.IDENTITY else None

    def valid_at(self, now: datetime) -> ProvedCertificate:
        """Itself; raises ``ClientCertificateNotYetValid`` or ``ClientCertificateExpired``."""
        if now < self.not_before:
            raise ClientCertificateNotYetValid(not_before=self.not_before)
        if now > self.not_after:
            raise ClientCertificateExpired(not_after=self.not_after)
        return self


def proved_certificate(unverified_der: bytes, cas: Iterable[ClientCa]) -> ProvedCertificate:
    """What the certificate proves of who holds its key.

    Raises ``ClientCertificateRejected`` or ``ClientCertificateIssuerUnknown``.
    """
    if len(unverified_der) > MAX_CERTIFICATE_BYTES:
        raise ClientCertificateRejected(reason=f"it is larger than {MAX_CERTIFICATE_BYTES} bytes")
    try:
        certificate = x509.load_der_x509_certificate(unverified_der)
        if isinstance(certificate.signature_hash_algorithm, WEAK_HASHES):
            raise ClientCertificateRejected(reason="it is signed over a weak hash")
        ca, issuer = _issuer(certificate, cas)
        _check(certificate)
        value = None if ca.field is None else _checked(VALUES[ca.field](certificate), ca.field)
    except UNREADABLE as error:
        raise ClientCertificateRejected(reason="it cannot be read") from error
    return ProvedCertificate(
        ca=ca.name,
        use=ca.use,
        field=ca.field,
        value=value,
        attribute=ca.attribute,
        key_sha256=key_sha256(certificate),
        serial=f"{certificate.serial_number:x}",
        sha256=hashlib.sha256(unverified_der).hexdigest(),
        not_before=max(certificate.not_valid_before_utc, issuer.not_valid_before_utc),
        not_after=min(certificate.not_valid_after_utc, issuer.not_valid_after_utc),
    )


def key_sha256(certificate: x509.Certificate) -> str:
    """Of its public key, as devices' keys are compared."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _issuer(certificate: x509.Certificate, cas: Iterable[ClientCa]) -> tuple[ClientCa, x509.Certificate]:
    for ca in cas:
        for issuer in ca.issuers:
            if certificate.issuer == issuer.subject and _issued(certificate, issuer):
                return ca, issuer
    raise ClientCertificateIssuerUnknown


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def _check(certificate: x509.Certificate) -> None:
    if any(item.critical and isinstance(item.value, x509.UnrecognizedExtension) for item in certificate.extensions):
        raise ClientCertificateRejected(reason="it has a critical extension that is not understood")
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise ClientCertificateOfCa(reason="it is that of a CA, which is nobody")
    # RFC 5280 section 4.2.1.12: without the extension it is for everything, a server's certificate too.
    uses = _extension(certificate, x509.ExtendedKeyUsage)
    if uses is None or ExtendedKeyUsageOID.CLIENT_AUTH not in uses:
        raise ClientCertificateRejected(reason="it does not say that it is for clients (extended key usage clientAuth)")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise ClientCertificateRejected(reason="its key usage does not allow digital signatures")


def _checked(values: list[str], field: IdentityField) -> str:
    if not values:
        raise ClientCertificateNameMissing(reason=f"it has 0 values of {field}, and one is asked for")
    if len(values) > 1:
        raise ClientCertificateNameAmbiguous(reason=f"it has {len(values)} values of {field}, and one is asked for")
    (value,) = values
    if not PRINTABLE.fullmatch(value) or value != value.strip():
        raise ClientCertificateNameInvalid(reason=f"its {field} is empty or not printable ASCII")
    if len(value) > MAX_VALUE_CHARACTERS:
        raise ClientCertificateNameInvalid(reason=f"its {field} is longer than {MAX_VALUE_CHARACTERS} characters")
    if field in FORMS and not FORMS[field].fullmatch(value):
        raise ClientCertificateNameInvalid(reason=f"its {field} is not in the form of one")
    return value


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _alternatives(certificate: x509.Certificate, kind: type[x509.GeneralName]) -> list[str]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    return [] if names is None else [str(name.value) for name in names if isinstance(name, kind)]


def _subject(certificate: x509.Certificate) -> list[str]:
    # Looked at unescaped: RFC 4514 would make printable what is not.
    for attribute in certificate.subject:
        if not isinstance(attribute.value, str) or not PRINTABLE.fullmatch(attribute.value):
            raise ClientCertificateNameInvalid(reason="its subject is empty or not printable ASCII")
    return [certificate.subject.rfc4514_string()]


def _attributes(certificate: x509.Certificate, kind: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(kind)]


VALUES: Mapping[IdentityField, Callable[[x509.Certificate], list[str]]] = MappingProxyType(
    {
        IdentityField.SAN_URI: lambda certificate: _alternatives(certificate, x509.UniformResourceIdentifier),
        IdentityField.SAN_DNS: lambda certificate: _alternatives(certificate, x509.DNSName),
        IdentityField.SUBJECT: _subject,
        IdentityField.CN: lambda certificate: _attributes(certificate, NameOID.COMMON_NAME),
        IdentityField.SERIAL_NUMBER: lambda certificate: _attributes(certificate, NameOID.SERIAL_NUMBER),
    }
)
FORMS: Mapping[IdentityField, re.Pattern[str]] = MappingProxyType(
    {IdentityField.SAN_URI: URI, IdentityField.SAN_DNS: HOST}
)
