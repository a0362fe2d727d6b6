"""Public keys of versions, as leaves pin them, and the check of a signature of which only the digest is at hand.

A leaf holds the digest of the manifest, not the manifest: RSASSA-PKCS1-v1_5 and ECDSA with SHA-256 need no more.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from verifier.errors import SignatureEncodingInvalid
from verifier.signatures import decode_signature

_DIGEST = Prehashed(SHA256())
_ECDSA = ec.ECDSA(_DIGEST)
_PKCS1 = padding.PKCS1v15()
_NUMBER_BYTES = 32

Version = tuple[str, int]
"""The name of a key, and the number of its version."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A leaf says that this is the public key of the version. ``spki``: None where it only names its SHA-256."""

    version: Version
    fingerprint: str
    spki: bytes | None


def pin_of(version: Version, fingerprint: str, public_key: str | None) -> Pin:
    """Raises ``ValueError`` unless the key is base64 of what has that fingerprint."""
    if public_key is None:
        return Pin(version, fingerprint, None)
    spki = base64.b64decode(public_key, validate=True)
    if hashlib.sha256(spki).hexdigest() != fingerprint:
        raise ValueError("its public key has another fingerprint than it says")
    return Pin(version, fingerprint, spki)


class SignatureKey:
    """A public key that signatures in leaves are checked with."""

    def __init__(self, spki: bytes) -> None:
        """Raises ``ValueError`` for what is no SubjectPublicKeyInfo. Of another kind than these it verifies nothing."""
        self.fingerprint = hashlib.sha256(spki).hexdigest()
        try:
            key = load_der_public_key(spki)
        except UnsupportedAlgorithm:
            key = None
        self._key = key if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else None

    def problem(self, encoded: bytes, manifest_sha256: bytes) -> str | None:
        """What is wrong with ``encoded``, the bytes of a ``manifest.sig``, over a manifest of this digest."""
        if self._key is None:
            return "its version's key is of a kind that signs no artifacts"
        try:
            signature = decode_signature(encoded)
            if isinstance(self._key, rsa.RSAPublicKey):
                self._key.verify(signature, manifest_sha256, _PKCS1, _DIGEST)
            else:
                self._key.verify(_der(signature), manifest_sha256, _ECDSA)
        except SignatureEncodingInvalid:
            return "it is not base64"
        except (InvalidSignature, ValueError):
            return "it does not verify with the version's public key"
        return None


def _der(signature: bytes) -> bytes:
    if len(signature) != 2 * _NUMBER_BYTES:
        return signature
    return encode_dss_signature(
        int.from_bytes(signature[:_NUMBER_BYTES], "big"), int.from_bytes(signature[_NUMBER_BYTES:], "big")
    )
