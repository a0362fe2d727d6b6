"""Refusals because of the certificate that a device comes with: its holder may be told what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

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
