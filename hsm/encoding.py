"""Public keys and signatures: from the many forms in which tokens give them to the one that is used.

1. EC and Edwards points come raw, or wrapped in an OCTET STRING (PKCS#11 v2.40 section 2.3.3); both are accepted.
2. ECDSA signatures come as r‖s, or from some modules as DER; what leaves is r‖s, each 32 bytes, big-endian.
3. Every public key passes through ``cryptography``, which refuses points that are not on the curve.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.algorithms import Algorithm

P256_PARAMETERS = bytes.fromhex("06082a8648ce3d030107")
# RFC 8410 object identifier first: the curve's name is the older habit, PKCS#11 v3.0 section 2.3.5.
ED25519_PARAMETERS = (bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139"))
SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SCALAR_SIZE = 32
ED25519_POINT_SIZE = 32
_OCTET_STRING = 4
_SHORT_LENGTH = 128


class EncodingError(ValueError):
    """A public key or signature that cannot be what it should be."""


def rsa_spki(modulus: bytes, exponent: bytes) -> tuple[Algorithm | None, bytes]:
    """The algorithm, None for a size that is not used here, and the DER SubjectPublicKeyInfo."""
    try:
        numbers = rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
        key = numbers.public_key()
    except ValueError:
        raise EncodingError("not an RSA public key") from None
    sizes = {algorithm.modulus_bits: algorithm for algorithm in Algorithm if algorithm.modulus_bits}
    return sizes.get(key.key_size), _der(key)


def ec_spki(parameters: bytes, point: bytes) -> tuple[Algorithm | None, bytes | None]:
    """As ``rsa_spki`` for an EC key; ``(None, None)`` for any curve but P-256."""
    if parameters != P256_PARAMETERS:
        return None, None
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _unwrapped(point))
    except ValueError:
        raise EncodingError("not a point on P-256") from None
    return Algorithm.ECDSA_P256, _der(key)


def edwards_spki(parameters: bytes, point: bytes) -> tuple[Algorithm | None, bytes | None]:
    """As ``ec_spki`` for an Edwards key: Ed25519 alone is known."""
    if parameters not in ED25519_PARAMETERS:
        return None, None
    raw = point if len(point) == ED25519_POINT_SIZE else _unwrapped(point)
    try:
        return Algorithm.ED25519, _der(ed25519.Ed25519PublicKey.from_public_bytes(raw))
    except ValueError:
        raise EncodingError("not an Ed25519 public key") from None


def normalised(algorithm: Algorithm, signature: bytes) -> bytes:
    """``signature`` in the form of its algorithm; raises ``EncodingError`` where it has none."""
    if len(signature) == algorithm.signature_size:
        return signature
    if algorithm is Algorithm.ECDSA_P256:
        try:
            r, s = decode_dss_signature(signature)
            return r.to_bytes(SCALAR_SIZE, "big") + s.to_bytes(SCALAR_SIZE, "big")
        except (ValueError, OverflowError):
            raise EncodingError("neither r‖s nor DER") from None
    raise EncodingError("signature of a wrong length")


def _unwrapped(point: bytes) -> bytes:
    if len(point) > 1 and point[0] == _OCTET_STRING and point[1] == len(point) - 2 < _SHORT_LENGTH:
        return point[2:]
    return point


def _der(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
