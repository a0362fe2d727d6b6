"""A device's key: made here, read strictly, and what it signs with it.

RSASSA-PKCS1-v1_5 and ECDSA (in DER) over SHA-256, Ed25519 over the bytes themselves, as Mender's servers verify them.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from device.errors import KeyUnreadable

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PUBLIC_EXPONENT = 65537
LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 8192
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class KeyKind(StrEnum):
    """What is made."""

    P256 = "p-256"
    RSA3072 = "rsa-3072"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeviceKey:
    """A private key with the name of the file that it was read from."""

    name: str
    private: PrivateKey

    @classmethod
    def of_pem(cls, name: str, unverified_pem: bytes) -> DeviceKey:
        """The key in a file: PKCS#8, SEC1 or PKCS#1, without a passphrase; raises ``KeyUnreadable``."""
        try:
            private = load_pem_private_key(unverified_pem, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyUnreadable(name=name, problem="no private key in PEM without a passphrase") from None
        match private:
            case rsa.RSAPrivateKey() if LEAST_RSA_BITS <= private.key_size <= MOST_RSA_BITS:
                return cls(name=name, private=private)
            case ec.EllipticCurvePrivateKey() if isinstance(private.curve, CURVES):
                return cls(name=name, private=private)
            case ed25519.Ed25519PrivateKey():
                return cls(name=name, private=private)
        raise KeyUnreadable(name=name, problem="of a kind or size that devices do not have")

    @property
    def public_pem(self) -> str:
        """The public half: SubjectPublicKeyInfo in PEM, with the newline at its end."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, 64 hexadecimal digits."""
        spki = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).hexdigest()

    @property
    def algorithm(self) -> str:
        """Such as ``rsa-3072``, ``secp256r1``, ``ed25519``."""
        match self.private:
            case rsa.RSAPrivateKey(key_size=bits):
                return f"rsa-{bits}"
            case ec.EllipticCurvePrivateKey(curve=curve):
                return curve.name
        return KeyKind.ED25519.value

    def sign(self, message: bytes) -> str:
        """``X-MEN-Signature``: standard base64 on one line."""
        match self.private:
            case rsa.RSAPrivateKey():
                signature = self.private.sign(message, padding.PKCS1v15(), SHA256())
            case ec.EllipticCurvePrivateKey():
                signature = self.private.sign(message, ec.ECDSA(SHA256()))
            case _:
                signature = self.private.sign(message)
        return base64.b64encode(signature).decode("ascii")

    def __repr__(self) -> str:
        return f"DeviceKey({self.name!r}, {self.fingerprint[:16]})"


def made(kind: KeyKind) -> bytes:
    """A new private key: PKCS#8 in PEM."""
    match kind:
        case KeyKind.RSA3072:
            private: PrivateKey = rsa.generate_private_key(PUBLIC_EXPONENT, 3072)
        case KeyKind.ED25519:
            private = ed25519.Ed25519PrivateKey.generate()
        case _:
            private = ec.generate_private_key(ec.SECP256R1())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
