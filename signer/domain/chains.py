"""A certificate that a CA returned, checked before it is kept.

1. The input is PEM, nothing but certificates, of bounded size and number: the leaf, then its issuer, and so on.
2. The leaf holds the version's public key. It is no CA and may make digital signatures; where the key is a CA's, it is
   that of one.
3. Every certificate is valid now, signed by the next one, and every issuer is a CA that may issue so far down.
4. Whether the last issuer deserves trust is not judged here: that is for those who verify with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.errors import CertificateRejected

Extension = TypeVar("Extension", bound=x509.ExtensionType)

MAX_BUNDLE_BYTES = 64 * 1024
MAX_CERTIFICATES = 8
MAX_NAME_CHARACTERS = 2048
PEM_BEGIN = b"-----BEGIN "
PEM_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
WEAK_HASHES = (hashes.MD5, hashes.SHA1)
# What the library raises for certificates that are none, some only when a field is looked at.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedChain:
    """A leaf of the asked-for key and its issuers, the leaf's first; ``self_signed``: it is its own issuer."""

    leaf: x509.Certificate
    issuers: tuple[x509.Certificate, ...]
    self_signed: bool


def checked_chain(unverified_pem: bytes, *, spki: bytes, now: datetime, ca: bool = False) -> CheckedChain:
    """The leaf for the public key ``spki`` (DER) with its issuers; raises ``CertificateRejected``.

    ``ca``: the key is that of a CA.
    """
    bundle = _read(unverified_pem)
    leaf, *issuers = bundle
    with _readable():
        self_signed = _names_itself(leaf)
        _check_key(leaf, spki)
        if ca:
            _check_issuer(1, leaf, [])
        else:
            _check_leaf(leaf)
        _check_all(bundle, now, ca=ca)
    return CheckedChain(leaf=leaf, issuers=tuple(issuers), self_signed=self_signed)


def checked_issuers(unverified_pem: bytes, *, now: datetime) -> tuple[x509.Certificate, ...]:
    """A certificate, whoever's it is, and its issuers in order; raises ``CertificateRejected``."""
    bundle = _read(unverified_pem)
    with _readable():
        _check_all(bundle, now, ca=False)
    return tuple(bundle)


def _check_all(bundle: list[x509.Certificate], now: datetime, *, ca: bool) -> None:
    """What holds for each certificate, whatever the first one is for. ``ca``: that one is a CA's."""
    for place, certificate in enumerate(bundle, start=1):
        _check_one(place, certificate, now)
    for place, (issued, issuer) in enumerate(pairwise(bundle), start=2):
        _check_link(place, issued, issuer)
    if _names_itself(bundle[-1]):
        _check_signed_by(bundle[-1], bundle[-1], f"certificate {len(bundle)} names itself as its issuer and is not")
    for below, issuer in enumerate(bundle[1:]):
        _check_issuer(below + 2, issuer, bundle[0 if ca else 1 : below + 1])


def _read(unverified_pem: bytes) -> list[x509.Certificate]:
    if len(unverified_pem) > MAX_BUNDLE_BYTES:
        raise CertificateRejected(reason=f"the bundle is larger than {MAX_BUNDLE_BYTES} bytes")
    count = unverified_pem.count(PEM_BEGIN)
    if count == 0:
        raise CertificateRejected(reason="it is not PEM (-----BEGIN CERTIFICATE-----)")
    if count != unverified_pem.count(PEM_BEGIN_CERTIFICATE):
        raise CertificateRejected(reason="the bundle holds something that is not a certificate")
    if count > MAX_CERTIFICATES:
        raise CertificateRejected(reason=f"the bundle holds more than {MAX_CERTIFICATES} certificates")
    with _readable():
        found = x509.load_pem_x509_certificates(unverified_pem)
    if len(found) != count:
        raise CertificateRejected(reason="a certificate of the bundle cannot be read")
    return found


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise CertificateRejected(reason="a certificate of the bundle cannot be read") from error


def _check_key(leaf: x509.Certificate, spki: bytes) -> None:
    if leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
        raise CertificateRejected(reason="the first certificate is for another key than this version's")


def _check_leaf(leaf: x509.Certificate) -> None:
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise CertificateRejected(reason="its key usage does not allow digital signatures")
    constraints = extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise CertificateRejected(reason="the first certificate is that of a CA, and a signing key is none")


def _check_one(place: int, certificate: x509.Certificate, now: datetime) -> None:
    if now < certificate.not_valid_before_utc:
        raise CertificateRejected(reason=f"certificate {place} is not valid yet")
    if now > certificate.not_valid_after_utc:
        raise CertificateRejected(reason=f"certificate {place} has expired")
    if any(item.critical and isinstance(item.value, x509.UnrecognizedExtension) for item in certificate.extensions):
        raise CertificateRejected(reason=f"certificate {place} has a critical extension that is not understood")
    if isinstance(certificate.signature_hash_algorithm, WEAK_HASHES) and not _names_itself(certificate):
        raise CertificateRejected(reason=f"certificate {place} is signed over a weak hash")
    if any(len(name.rfc4514_string()) > MAX_NAME_CHARACTERS for name in (certificate.subject, certificate.issuer)):
        raise CertificateRejected(reason=f"certificate {place} has a name longer than {MAX_NAME_CHARACTERS} characters")


def _check_link(place: int, issued: x509.Certificate, issuer: x509.Certificate) -> None:
    _check_signed_by(issued, issuer, f"the chain is broken: certificate {place} did not issue the one before it")


def _check_signed_by(issued: x509.Certificate, issuer: x509.Certificate, reason: str) -> None:
    try:
        issued.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature) as error:
        raise CertificateRejected(reason=reason) from error


def _check_issuer(place: int, issuer: x509.Certificate, cas_below: list[x509.Certificate]) -> None:
    """RFC 5280 section 6.1.4 (k) to (n). ``cas_below``: the issuers between this one and the leaf."""
    constraints = extension(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        raise CertificateRejected(reason=f"certificate {place} is not that of a CA")
    usage = extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise CertificateRejected(reason=f"certificate {place} may not sign certificates")
    depth = sum(not _names_itself(certificate) for certificate in cas_below)
    if constraints.path_length is not None and depth > constraints.path_length:
        raise CertificateRejected(reason=f"certificate {place} may not issue so far down")


def _names_itself(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer


def extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    """The extension of this kind, or None."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
