"""A server's certificate that comes from outside, checked before it is kept, and bundles as devices have them.

1. The input is PEM, nothing but certificates, of bounded size and number: the server's own, then its issuers.
2. The server's own has alternative names, may serve TLS, and its key is not one that everybody has.
3. Every certificate is valid now, signed by the next one, and every issuer is a CA (``domain.chains``).
4. A bundle is a set without an order; what ends within a certificate is refused, or a device would lose trust unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from signer.domain.chains import MAX_BUNDLE_BYTES, PEM_BEGIN, UNREADABLE, checked_issuers, extension
from signer.domain.published_keys import require_unpublished
from signer.errors import CertificateRejected
from signer.errors.server_certificates import (
    BundleCutOff,
    BundleRejected,
    ServerCertificateRejected,
    ServerCertificateWithoutNames,
)

PEM_END_CERTIFICATE = b"-----END CERTIFICATE-----"
MAX_BUNDLE_CERTIFICATES = 64
MAX_DEVICE_BUNDLE_BYTES = 4 * MAX_BUNDLE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedServerChain:
    """The server's own certificate, its issuers in order, and the digest of its public key in hex."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]
    spki_sha256: str


def checked_server_chain(unverified_pem: bytes, *, now: datetime) -> CheckedServerChain:
    """What a server may show.

    Raises ``ServerCertificateRejected``, ``ServerCertificateWithoutNames`` or ``ServerKeyPublished``.
    """
    try:
        bundle = checked_issuers(unverified_pem, now=now)
    except CertificateRejected as error:
        raise ServerCertificateRejected(reason=error.reason) from error
    leaf, *issuers = bundle
    if not issuers and leaf.subject != leaf.issuer:
        # A bundle for devices would hold nothing that OpenSSL believes it by.
        raise ServerCertificateRejected(reason="its issuer is missing: put the certificates of the CA after it")
    try:
        _check_use(leaf)
        return CheckedServerChain(leaf=leaf, issuers=tuple(issuers), spki_sha256=require_unpublished(leaf.public_key()))
    except UNREADABLE as error:
        raise ServerCertificateRejected(reason="a certificate of the bundle cannot be read") from error


def read_bundle(unverified_pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates that a device trusts; raises ``BundleCutOff`` or ``BundleRejected``."""
    if len(unverified_pem) > MAX_DEVICE_BUNDLE_BYTES:
        raise BundleRejected(reason=f"it is larger than {MAX_DEVICE_BUNDLE_BYTES} bytes")
    begun, ended = unverified_pem.count(PEM_BEGIN), unverified_pem.count(PEM_END_CERTIFICATE)
    if begun == 0:
        raise BundleRejected(reason="it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    if begun != ended or not unverified_pem.rstrip().endswith(b"-----"):
        raise BundleCutOff(whole=ended)
    if begun > MAX_BUNDLE_CERTIFICATES:
        raise BundleRejected(reason=f"it holds more than {MAX_BUNDLE_CERTIFICATES} certificates")
    try:
        found = x509.load_pem_x509_certificates(unverified_pem)
    except UNREADABLE as error:
        raise BundleRejected(reason="a certificate of it cannot be read") from error
    if len(found) != begun:
        raise BundleRejected(reason="it holds something that is not a certificate")
    return tuple(found)


def _check_use(leaf: x509.Certificate) -> None:
    names = extension(leaf, x509.SubjectAlternativeName)
    if names is None or not any(isinstance(name, x509.DNSName | x509.IPAddress) for name in names):
        raise ServerCertificateWithoutNames
    if any("\0" in name for name in names.get_values_for_type(x509.DNSName)):
        raise ServerCertificateRejected(reason="an alternative name holds a NUL, and readers disagree where it ends")
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise ServerCertificateRejected(reason="its key usage does not allow digital signatures")
    uses = extension(leaf, x509.ExtendedKeyUsage)
    if uses is not None and not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & {*uses}:
        raise ServerCertificateRejected(reason="its extended key usage does not allow TLS servers")
