"""Refusals because of the certificate that a device comes with: its holder may be told what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class DeviceCertificateRefused(SignerError):
    """The certificate that a device comes with, or that it comes without one, lets it do nothing."""

    code = "device-certificate-refused"


@dataclass(eq=False, kw_only=True)
class DeviceCertificateMissing(DeviceCertificateRefused):
    """The device came without a certificate, and needs one: it has come with one before, or all devices need one."""

    code = "device-certificate-missing"


@dataclass(eq=False, kw_only=True)
class DeviceCertificateKeyDiffers(DeviceCertificateRefused):
    """The key of the certificate is another one than that of the request."""

    code = "device-certificate-key-differs"


@dataclass(eq=False, kw_only=True)
class DeviceCertificateIdentityDiffers(DeviceCertificateRefused):
    """The certificate names another device than the identity of the request does."""

    code = "device-certificate-identity-differs"
    field: str
    attribute: str


@dataclass(eq=False, kw_only=True)
class DeviceCertificateOfAnotherDevice(DeviceCertificateRefused):
    """The certificate is not that of the key for which the token was issued."""

    code = "device-certificate-of-another-device"


@dataclass(eq=False, kw_only=True)
class DeviceCertificateOfAnotherCa(DeviceCertificateRefused):
    """The certificate is of another CA than the one by which the key got its token."""

    code = "device-certificate-of-another-ca"
    ca: str


@dataclass(eq=False, kw_only=True)
class DeviceCertificateNotDue(SignerError):
    """The certificate is renewed when it is about to end, and not before."""

    code = "device-certificate-not-due"
    renewable_from: datetime


@dataclass(eq=False, kw_only=True)
class DeviceCertificatesExhausted(SignerError):
    """The device has as many certificates as may hold at the same time."""

    code = "device-certificates-exhausted"
    limit: int


@dataclass(eq=False, kw_only=True)
class CertificateRequestInvalid(SignerError):
    """What should be a certificate signing request cannot be taken. ``problem``: what is wrong, for people."""

    code = "certificate-request-invalid"
    problem: str


@dataclass(eq=False, kw_only=True)
class DeviceNameUnfit(SignerError):
    """The member of an identity that should name a device in its certificate cannot. ``problem``: for people."""

    code = "device-name-unfit"
    attribute: str
    problem: str


@dataclass(eq=False, kw_only=True)
class DeviceCaNotIssuing(SignerError):
    """The CA of devices has no key here: somebody else issues its certificates."""

    code = "device-ca-not-issuing"
    ca: str


@dataclass(eq=False, kw_only=True)
class DeviceCaInactive(SignerError):
    """No version of the CA's key signs."""

    code = "device-ca-inactive"
    ca: str
    key: str


@dataclass(eq=False, kw_only=True)
class DeviceCaNotTrusted(SignerError):
    """The file of the CA does not hold the certificate of the version that issues: nobody would believe it."""

    code = "device-ca-not-trusted"
    ca: str
    key: str
    version: int
