"""Certificates of the device's keys, asked for with the one that it shows: before that ends, and for the next key.

The service takes nothing from the request but the key, and answers the same request with the same certificate: so an
answer that was lost is asked for again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from device.asking import OK, UNAUTHORIZED, Asking, refusal_of
from device.certificates import issued_name
from device.errors import AnswerInvalid, TokenRefused
from device.keys import DeviceKey
from device.requests import Request
from device.store import Store
from device.tokens import Token

CERTIFICATES = "/api/devices/v1/certificates"
# The service's code for a certificate that holds for long enough.
NOT_DUE = "device-certificate-not-due"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """``not_after``: aware UTC, of the certificate that was issued now; None: the service says that it is too early."""

    not_after: datetime | None


class Renewal:
    """Called alone with the store."""

    def __init__(self, *, store: Store, asking: Asking) -> None:
        self._store = store
        self._asking = asking

    def renew(self, key: DeviceKey, *, shown: DeviceKey, token: Token, until: float) -> Renewed:
        """A certificate for ``key``, by that of ``shown``, kept where it is found.

        Raises ``TokenRefused``, ``RequestRefused``, ``AnswerInvalid``, or what a request may raise.
        """
        request = Request(
            method="POST",
            path=CERTIFICATES,
            headers={"Authorization": f"Bearer {token.text}", "Content-Type": "application/x-pem-file"},
            body=signing_request(key),
        )
        answer = self._asking.repeated(lambda: request, shown, until)
        if answer.status == UNAUTHORIZED:
            raise TokenRefused
        if answer.status != OK:
            refused = refusal_of(answer)
            if refused.problem == NOT_DUE and key.fingerprint == shown.fingerprint:
                return Renewed(not_after=None)
            raise refused
        leaf = _of_key(answer.body, key)
        self._store.replace(issued_name(key.fingerprint), answer.body)
        return Renewed(not_after=leaf.not_valid_after_utc)


def signing_request(key: DeviceKey) -> bytes:
    """PKCS#10 in PEM: the key, and a name that nobody takes over."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key.fingerprint[:16])])
    algorithm = None if isinstance(key.private, ed25519.Ed25519PrivateKey) else SHA256()
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key.private, algorithm)
    return made.public_bytes(Encoding.PEM)


def _of_key(unverified_pem: bytes, key: DeviceKey) -> x509.Certificate:
    """The first certificate of the answer, which is this key's: another one would lock the device out."""
    try:
        leaf = x509.load_pem_x509_certificates(unverified_pem)[0]
        spki = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        raise AnswerInvalid(problem="the body is no certificate") from None
    if hashlib.sha256(spki).hexdigest() != key.fingerprint:
        raise AnswerInvalid(problem="the certificate is of another key")
    return leaf
