"""Public keys and signatures: from the many forms in which tokens give them to the one that is used.

1. EC and Edwards points come raw, or wrapped in an OCTET STRING (PKCS#11 v2.40 section 2.3.3); both are accepted.
2. ECDSA signatures come as r‖s, or from some modules as DER; what leaves is r‖s, each 32 bytes, big-endian.
3. Every public key passes through ``cryptography``, which refuses points that are not on the curve.
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hsm.algorithms import Algorithm

P256_PARAMETERS = bytes.fromhex("06082a8648ce3d030107")
# RFC 8410 object identifier first: the curve's name is the older habit, PKCS#11 v3.0 section 2.3.5.
ED25519_PARAMETERS = (bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139"))
ED448_PARAMETERS = (bytes.fromhex("06032b6571"), bytes.fromhex("130a65647761726473343438"))
EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")  # id-ecPublicKey, RFC 5480 section 2.1.1
SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SCALAR_SIZE = 32
P256_POINT_SIZE = 1 + 2 * SCALAR_SIZE
ED25519_POINT_SIZE = 32
ED448_POINT_SIZE = 57
_BIT_STRING = 3
_SEQUENCE = 0x30
_OCTET_STRING = 4
_SHORT_LENGTH = 128
_LONG_LENGTH = 0x81  # one byte of length follows (X.690 section 8.1.3.5)


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
    """As ``rsa_spki`` for an EC key; ``(None, None)`` for a curve that is not known at all."""
    if parameters != P256_PARAMETERS:
        curve = EC_PUBLIC_KEY + parameters
        return None, _foreign_spki(curve, point) or _foreign_spki(curve, _unwrapped(point))
    # By its size: of a raw one the first bytes can look like the beginning of an OCTET STRING, in one key of 256.
    raw = point if len(point) == P256_POINT_SIZE else _unwrapped(point)
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raise EncodingError("not a point on P-256") from None
    return Algorithm.ECDSA_P256, _der(key)


def edwards_spki(parameters: bytes, point: bytes) -> tuple[Algorithm | None, bytes | None]:
    """As ``ec_spki`` for an Edwards key."""
    if parameters in ED448_PARAMETERS:
        return None, _foreign_spki(ED448_PARAMETERS[0], point[-ED448_POINT_SIZE:])
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
    if len(point) > 2 and point[:2] == bytes((_OCTET_STRING, _LONG_LENGTH)) and point[2] == len(point) - 3:  # noqa: PLR2004
        return point[3:]
    return point


def _foreign_spki(algorithm: bytes, point: bytes) -> bytes | None:
    """The SubjectPublicKeyInfo of a kind that is not used here, so that it can be named; None where it is none."""
    try:
        info = _tlv(_SEQUENCE, _tlv(_SEQUENCE, algorithm) + _tlv(_BIT_STRING, b"\0" + point))
        return load_der_public_key(info).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return None


def _tlv(tag: int, content: bytes) -> bytes:
    """DER of one value of at most 255 bytes; raises ``ValueError`` beyond."""
    size = len(content)
    return bytes((tag, size) if size < _SHORT_LENGTH else (tag, _LONG_LENGTH, size)) + content


def _der(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
