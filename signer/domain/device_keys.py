"""Public keys of devices: which there may be, in the one form in which they are compared, and what they have signed.

1. A PEM block ``PUBLIC KEY`` holds a SubjectPublicKeyInfo, nothing before or after it. Keys are compared by its DER as
   this library writes it, never as text.
2. RSA of 2048 to 8192 bits with an exponent of at most 32 bits, the NIST curves, and Ed25519. Others are no device's,
   or cost too much to verify with.
3. A signature has one spelling: standard base64 with its padding on one line, DER without anything behind it.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from signer.errors import DeviceKeyInvalid

MAX_PEM = 8192
MIN_RSA_BITS, MAX_RSA_BITS, MAX_RSA_EXPONENT = 2048, 8192, (1 << 32) - 1
CURVES = (ec.SECP224R1, ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
# Base64 of the signature of the largest key.
MAX_SIGNATURE_TEXT = 4 * -(-MAX_RSA_BITS // 8 // 3) + 4
_BLOCK = re.compile(
    r"\s*-----BEGIN PUBLIC KEY-----[ \t]*\r?\n[A-Za-z0-9+/=\r\n \t]+-----END PUBLIC KEY-----\s*", re.ASCII
)

VerifyingKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class SignatureNotValid(Exception):
    """The key has not signed that, or the text is no signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePublicKey:
    """A key that a device may have. ``spki``: DER SubjectPublicKeyInfo; ``sha256``: of it, lowercase hex."""

    spki: bytes = field(repr=False)
    sha256: str

    @classmethod
    def of_pem(cls, unverified: str) -> DevicePublicKey:
        """From PEM; raises ``DeviceKeyInvalid``."""
        if len(unverified) > MAX_PEM:
            raise DeviceKeyInvalid(problem=f"is longer than {MAX_PEM} characters")
        if not _BLOCK.fullmatch(unverified):
            raise DeviceKeyInvalid(problem="is not one PEM block PUBLIC KEY")
        try:
            key = load_pem_public_key(unverified.encode("ascii"))
        except (ValueError, UnsupportedAlgorithm):
            raise DeviceKeyInvalid(problem="holds no key that can be read") from None
        spki = _allowed(key).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(spki=spki, sha256=hashlib.sha256(spki).hexdigest())

    @property
    def pem(self) -> str:
        """PEM, as the server's answers have it."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def verify(self, unverified_signature: str, content: bytes) -> None:
        """This key has signed ``content``; raises ``SignatureNotValid``."""
        signature = _decoded(unverified_signature)
        try:
            match self._key:
                case rsa.RSAPublicKey() as key:
                    key.verify(signature, content, padding.PKCS1v15(), SHA256())
                case ec.EllipticCurvePublicKey() as key:
                    # SHA-256 whatever the curve: so do the clients. OpenSSL takes DER in its one spelling alone.
                    key.verify(signature, content, ec.ECDSA(SHA256()))
                case ed25519.Ed25519PublicKey() as key:
                    key.verify(signature, content)
        except (InvalidSignature, ValueError):
            raise SignatureNotValid from None

    @property
    def _key(self) -> VerifyingKey:
        return _allowed(load_der_public_key(self.spki))


def _allowed(key: object) -> VerifyingKey:
    match key:
        case rsa.RSAPublicKey():
            if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                raise DeviceKeyInvalid(problem=f"is RSA with {key.key_size} bits, and not 2048 to 8192")
            if key.public_numbers().e > MAX_RSA_EXPONENT:
                raise DeviceKeyInvalid(problem="is RSA with an exponent of more than 32 bits")
            return key
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, CURVES):
            return key
        case ed25519.Ed25519PublicKey():
            return key
    raise DeviceKeyInvalid(problem="is of a kind that devices do not have")


def _decoded(text: str) -> bytes:
    if len(text) > MAX_SIGNATURE_TEXT:
        raise SignatureNotValid
    try:
        signature = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise SignatureNotValid from None
    if binascii.b2a_base64(signature, newline=False).decode("ascii") != text:
        raise SignatureNotValid
    return signature
