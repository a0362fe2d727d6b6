"""Private keys as a fleet has them: in files, in the forms that tools write."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hsm import Algorithm, KeyMaterial

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PASSPHRASE = b"correct horse"


def private_key(algorithm: Algorithm, number: int = 0) -> PrivateKey:
    """A key of this kind; another for each number, the same in the whole process."""
    return _made(algorithm, number)


@cache
def _made(algorithm: Algorithm, _number: int) -> PrivateKey:
    if algorithm.modulus_bits is not None:
        return rsa.generate_private_key(65537, algorithm.modulus_bits)
    if algorithm is Algorithm.ECDSA_P256:
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def pem(key: PrivateKey, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: bytes | None = None) -> bytes:
    """The key as a tool writes it; traditional OpenSSL is PKCS#1 or SEC1."""
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, form, encryption)


def public_pem(key: PrivateKey) -> bytes:
    """Its public half, as devices have it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def spki(key: PrivateKey) -> bytes:
    """The same, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_material(algorithm: Algorithm, number: int = 0) -> KeyMaterial:
    """A pair as tokens are given it."""
    key = private_key(algorithm, number)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return KeyMaterial(algorithm=algorithm, spki=spki(key), private=private)


def key_file(path: Path, content: bytes) -> Path:
    """A file that only its owner reads."""
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
