"""Requests for a server's certificate that come from outside: the key is taken, and nothing else that they say."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from signer.domain.certificate_authority import CertifiedKey
from signer.domain.chains import UNREADABLE
from signer.domain.published_keys import require_unpublished
from signer.errors.server_certificates import ServerCertificateRejected

MAX_REQUEST_BYTES = 16 * 1024
CURVES = (ec.SECP256R1, ec.SECP384R1)
RSA_BITS = range(2048, 4096 + 1)


def requested_key(unverified_pem: bytes) -> CertifiedKey:
    """The key of a PKCS#10 request in PEM, whose private half signed it.

    Raises ``ServerCertificateRejected`` or ``ServerKeyPublished``.
    """
    if len(unverified_pem) > MAX_REQUEST_BYTES:
        raise ServerCertificateRejected(reason=f"the request is larger than {MAX_REQUEST_BYTES} bytes")
    try:
        request = x509.load_pem_x509_csr(unverified_pem)
        key, signed = request.public_key(), request.is_signature_valid
    except UNREADABLE as error:
        raise ServerCertificateRejected(reason="the request cannot be read (PKCS#10 in PEM)") from error
    if not signed:
        raise ServerCertificateRejected(reason="the request is not signed by its own key")
    require_unpublished(key)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES):
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    raise ServerCertificateRejected(reason="its key is none of P-256, P-384, Ed25519 and RSA of 2048 to 4096 bits")
