"""Refusals because of a client's certificate: unlike a secret, its holder may be told what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signer.errors.access import CredentialsRejected
from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class ClientCaUnusable(SignerError):
    """A file of certificates that shall issue those of clients cannot be used."""

    code = "client-ca-unusable"
    name: str
    reason: str


@dataclass(eq=False, kw_only=True)
class ClientCertificateRejected(CredentialsRejected):
    """A client's certificate is not one by which anybody is known."""

    code = "client-certificate-rejected"
    reason: str


@dataclass(eq=False, kw_only=True)
class ClientCertificateOfCa(ClientCertificateRejected):
    """The certificate of a CA is nobody's."""

    code = "client-certificate-of-ca"


@dataclass(eq=False, kw_only=True)
class ClientCertificateNameMissing(ClientCertificateRejected):
    """The field that names the holder is not in the certificate."""

    code = "client-certificate-name-missing"


@dataclass(eq=False, kw_only=True)
class ClientCertificateNameAmbiguous(ClientCertificateRejected):
    """The field that names the holder is in the certificate more than once."""

    code = "client-certificate-name-ambiguous"


@dataclass(eq=False, kw_only=True)
class ClientCertificateNameInvalid(ClientCertificateRejected):
    """The field that names the holder has a value that names nobody."""

    code = "client-certificate-name-invalid"


@dataclass(eq=False, kw_only=True)
class ClientCertificateIssuerUnknown(CredentialsRejected):
    """No CA that the settings name has issued this certificate itself."""

    code = "client-certificate-issuer-unknown"


@dataclass(eq=False, kw_only=True)
class ClientCertificateOfDevice(CredentialsRejected):
    """A certificate of a device is no identity."""

    code = "client-certificate-of-device"
    ca: str


@dataclass(eq=False, kw_only=True)
class ClientCertificateOfCaller(CredentialsRejected):
    """A certificate of a CA of callers is no device's."""

    code = "client-certificate-of-caller"
    ca: str


@dataclass(eq=False, kw_only=True)
class ClientCertificateNotYetValid(CredentialsRejected):
    """It, or the CA that issued it, is not valid yet."""

    code = "client-certificate-not-yet-valid"
    not_before: datetime


@dataclass(eq=False, kw_only=True)
class ClientCertificateExpired(CredentialsRejected):
    """It, or the CA that issued it, is not valid any more; a connection outlives that, its certificate does not."""

    code = "client-certificate-expired"
    not_after: datetime


@dataclass(eq=False, kw_only=True)
class ClientCertificateRevoked(CredentialsRejected):
    """Its serial number is on the list of those that prove nothing any more."""

    code = "client-certificate-revoked"
    ca: str
    serial: str


@dataclass(eq=False, kw_only=True)
class CertificateHeaderUntrusted(CredentialsRejected):
    """A field that tells of a client's certificate came from somewhere that may not tell of any."""

    code = "certificate-header-untrusted"
    header: str


@dataclass(eq=False, kw_only=True)
class CertificateHeaderInvalid(CredentialsRejected):
    """The field came from where it may, and is not what the settings say that it is."""

    code = "certificate-header-invalid"
    header: str
    reason: str


@dataclass(eq=False, kw_only=True)
class CertificateHeaderUnverified(CredentialsRejected):
    """The proxy says that it has not verified the certificate that it tells of."""

    code = "certificate-header-unverified"


@dataclass(eq=False, kw_only=True)
class ClientCaNotFound(SignerError):
    """The settings name no client CA of this name."""

    code = "client-ca-not-found"
    ca: str


@dataclass(eq=False, kw_only=True)
class SerialNumberInvalid(SignerError):
    """What should be a serial number is none."""

    code = "serial-number-invalid"
