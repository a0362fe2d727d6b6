"""Public keys as they come from outside: what kind they are, and what stands in PEM or in certificates."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from hsm.algorithms import Algorithm

CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
# NIST's names (FIPS 186), by which people know these curves.
CURVES = {"secp224r1": "P-224", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
RSA_ALGORITHMS = {algorithm.modulus_bits: algorithm for algorithm in Algorithm if algorithm.modulus_bits}


def algorithm_of(spki: bytes) -> Algorithm | None:
    """The algorithm of a DER SubjectPublicKeyInfo; None for one that no key of the service has."""
    match load_der_public_key(spki):
        case rsa.RSAPublicKey(key_size=bits):
            return RSA_ALGORITHMS.get(bits)
        case ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return Algorithm.ECDSA_P256
        case ed25519.Ed25519PublicKey():
            return Algorithm.ED25519
    return None


def kind_of(spki: bytes) -> str:
    """What a DER SubjectPublicKeyInfo is, for people: the algorithm's name, or another such as ``EC P-384``."""
    algorithm = algorithm_of(spki)
    if algorithm is not None:
        return algorithm.value
    match load_der_public_key(spki):
        case rsa.RSAPublicKey(key_size=bits):
            return f"rsa-{bits}"
        case ec.EllipticCurvePublicKey(curve=curve):
            return f"EC {CURVES.get(curve.name, curve.name)}"
        case ed448.Ed448PublicKey():
            return "ed448"
    return "of an unknown kind"


def public_key_in(unverified_pem: bytes) -> bytes:
    """The DER SubjectPublicKeyInfo of a public key or a certificate in PEM; raises ``ValueError``."""
    try:
        if unverified_pem.lstrip().startswith(CERTIFICATE):
            return _spki(x509.load_pem_x509_certificate(unverified_pem))
        return load_pem_public_key(unverified_pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of an unknown kind") from error


def public_keys_in(unverified_certificates: Iterable[bytes]) -> tuple[bytes, ...]:
    """The public keys of DER certificates, each once, as DER SubjectPublicKeyInfo; what cannot be read is left out."""
    found: dict[bytes, None] = {}
    for certificate in unverified_certificates:
        try:
            found[_spki(x509.load_der_x509_certificate(certificate))] = None
        except (ValueError, UnsupportedAlgorithm):
            continue
    return tuple(found)


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
