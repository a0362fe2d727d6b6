"""SubjectPublicKeyInfo of the two kinds of key that artifacts are signed with, in their one DER form.

Only that form is accepted, so a key has one fingerprint: RSA with NULL parameters (RFC 3279, 2.3.1), and P-256 by
name with an uncompressed point (RFC 5480, 2). Reading them takes no library, which matters to the start-up time of
a command; what the numbers mean, and whether the point is on the curve, is checked by ``cryptography``.
"""

from __future__ import annotations

_INTEGER, _BIT_STRING, _OID, _SEQUENCE = 0x02, 0x03, 0x06, 0x30
_LONG_LENGTH = 0x80

_RSA_ENCRYPTION = bytes.fromhex("2a864886f70d010101")
_EC_PUBLIC_KEY = bytes.fromhex("2a8648ce3d0201")
_P256 = bytes.fromhex("2a8648ce3d030107")
_NULL = b"\x05\x00"

_OTHER_ALGORITHMS = {
    bytes.fromhex("2a864886f70d01010a"): "rsa-pss",
    bytes.fromhex("2b6570"): "ed25519",
    bytes.fromhex("2b6571"): "ed448",
    bytes.fromhex("2b656e"): "x25519",
    bytes.fromhex("2a8648ce380401"): "dsa",
}
_OTHER_CURVES = {
    bytes.fromhex("2b81040021"): "secp224r1",
    bytes.fromhex("2b81040022"): "secp384r1",
    bytes.fromhex("2b81040023"): "secp521r1",
    bytes.fromhex("2b8104000a"): "secp256k1",
    bytes.fromhex("2b2403030208010107"): "brainpoolP256r1",
}

POINT_BYTES = 65
COMPRESSED_POINT_BYTES = 33
_COMPRESSED = (0x02, 0x03)
_UNCOMPRESSED = 0x04


RsaNumbers = tuple[int, int]
"""Modulus and public exponent."""
P256Point = bytes
"""``04``, x and y."""


class NotAnSpkiError(ValueError):
    """The bytes are not a SubjectPublicKeyInfo in the form described above."""


class CompressedPointError(ValueError):
    """A key on P-256 whose point is in compressed form (RFC 5480, 2.2)."""


class OtherAlgorithmError(ValueError):
    """A key of another kind; its argument is the name of the algorithm or curve."""


def parse(der: bytes) -> RsaNumbers | P256Point:
    """Read a key; raises ``NotAnSpkiError``, ``CompressedPointError`` or ``OtherAlgorithmError``."""
    info, rest = _element(der, _SEQUENCE)
    algorithm, bits = _element(info, _SEQUENCE)
    identifier, parameters = _element(algorithm, _OID)
    key, after = _element(bits, _BIT_STRING)
    if rest or after or key[:1] != b"\0":
        raise NotAnSpkiError
    if identifier == _RSA_ENCRYPTION and parameters == _NULL:
        return _rsa(key[1:])
    if identifier == _EC_PUBLIC_KEY:
        return _p256(parameters, key[1:])
    if identifier == _RSA_ENCRYPTION:
        raise NotAnSpkiError
    raise OtherAlgorithmError(_OTHER_ALGORITHMS.get(identifier, f"OID {identifier.hex()}"))


def _rsa(key: bytes) -> RsaNumbers:
    numbers, rest = _element(key, _SEQUENCE)
    modulus, after = _element(numbers, _INTEGER)
    exponent, end = _element(after, _INTEGER)
    if rest or end:
        raise NotAnSpkiError
    return _positive(modulus), _positive(exponent)


def _p256(parameters: bytes, key: bytes) -> P256Point:
    curve, rest = _element(parameters, _OID)
    if curve != _P256:
        raise OtherAlgorithmError(_OTHER_CURVES.get(curve, f"curve OID {curve.hex()}"))
    if not rest and len(key) == COMPRESSED_POINT_BYTES and key[0] in _COMPRESSED:
        raise CompressedPointError
    if rest or len(key) != POINT_BYTES or key[0] != _UNCOMPRESSED:
        raise NotAnSpkiError
    return key


def _positive(content: bytes) -> int:
    value = int.from_bytes(content, "big", signed=True)
    # One leading zero byte is there exactly where the number would be negative without it.
    if value <= 0 or len(content) != value.bit_length() // 8 + 1:
        raise NotAnSpkiError
    return value


def _element(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """The contents of the DER element at the start of ``data``, which must have ``tag``; and what follows it."""
    if len(data) < 2 or data[0] != tag:  # noqa: PLR2004 - tag and length
        raise NotAnSpkiError
    length, start = data[1], 2
    if length >= _LONG_LENGTH:
        start += length - _LONG_LENGTH
        length = int.from_bytes(data[2:start], "big")
        shortest = (length.bit_length() + 7) // 8
        if length < _LONG_LENGTH or start - 2 != shortest:
            raise NotAnSpkiError
    if len(data) < start + length:
        raise NotAnSpkiError
    return data[start : start + length], data[start + length :]
