"""Throw-away keys and the signatures that artifacts carry, the supported ones and the others."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from enum import Enum

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

P256_BYTES = 32


class KeyKind(Enum):
    """What kind of key signs. Two kinds of the same algorithm are two different keys."""

    P256 = "P-256"
    OTHER_P256 = "another P-256"
    RSA_1024 = "RSA-1024"
    RSA_2048 = "RSA-2048"
    RSA_3072 = "RSA-3072"
    OTHER_RSA_3072 = "another RSA-3072"
    P384 = "P-384"
    P521 = "P-521"
    SECP256K1 = "secp256k1"
    ED25519 = "Ed25519"


CURVES: dict[KeyKind, ec.EllipticCurve] = {
    KeyKind.P256: ec.SECP256R1(),
    KeyKind.OTHER_P256: ec.SECP256R1(),
    KeyKind.P384: ec.SECP384R1(),
    KeyKind.P521: ec.SECP521R1(),
    KeyKind.SECP256K1: ec.SECP256K1(),
}

RSA_BITS = {
    KeyKind.RSA_1024: 1024,
    KeyKind.RSA_2048: 2048,
    KeyKind.RSA_3072: 3072,
    KeyKind.OTHER_RSA_3072: 3072,
}


class SignatureForm(Enum):
    """How a signature over the manifest is made and encoded, before base64."""

    STANDARD = "r||s for ECDSA, PKCS#1 v1.5 with SHA-256 for RSA"
    DER = "ECDSA in ASN.1 DER"
    SHA384 = "as standard, over SHA-384"
    SHA512 = "as standard, over SHA-512"
    PSS = "RSASSA-PSS with SHA-256"


@functools.cache
def private_key(kind: KeyKind) -> PrivateKey:
    """The key of that kind. It is the same throughout the process, and where it is not RSA in every process:
    inputs that a fuzzer kept stay signed by a trusted key."""
    secret = hashlib.sha256(kind.value.encode()).digest()
    if kind is KeyKind.ED25519:
        return ed25519.Ed25519PrivateKey.from_private_bytes(secret)
    if kind in CURVES:
        return ec.derive_private_key(int.from_bytes(secret[1:], "big"), CURVES[kind])
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS[kind])


def public_pem(key: PrivateKey) -> bytes:
    """The public half as devices are given it: PEM SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def traditional_pem(key: PrivateKey) -> bytes:
    """The private half as PKCS#1 or SEC1, the only forms that older signing tools read."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def sign(key: PrivateKey, manifest: bytes, form: SignatureForm = SignatureForm.STANDARD) -> bytes:
    """The signature of `manifest` as bytes."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(manifest)
    digest: hashes.HashAlgorithm = {
        SignatureForm.SHA384: hashes.SHA384(),
        SignatureForm.SHA512: hashes.SHA512(),
    }.get(form, hashes.SHA256())
    if isinstance(key, rsa.RSAPrivateKey):
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        return key.sign(manifest, pss if form is SignatureForm.PSS else padding.PKCS1v15(), digest)
    der = key.sign(manifest, ec.ECDSA(digest))
    return der if form is SignatureForm.DER else raw_of_der(der, -(-key.key_size // 8))


def raw_of_der(der: bytes, length: int = P256_BYTES) -> bytes:
    """An ASN.1 signature as r||s, each `length` bytes, big-endian."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(length, "big") + s.to_bytes(length, "big")


def sign_until(key: PrivateKey, manifest: bytes, wanted: Callable[[bytes], bool], form: SignatureForm) -> bytes:
    """A signature for which `wanted` holds; ECDSA draws a new one each time.

    The rarest one asked for here, an ASN.1 signature under 70 bytes, comes once in about 370 draws.
    """
    draws = 20_000
    for _ in range(draws):
        signature = sign(key, manifest, form)
        if wanted(signature):
            return signature
    raise LookupError(f"no such signature in {draws} draws")
