"""Public keys and signatures in the many forms that tokens give them."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hsm import Algorithm, PinnedKey
from hsm.encoding import (
    ED25519_PARAMETERS,
    P256_PARAMETERS,
    EncodingError,
    ec_spki,
    edwards_spki,
    normalised,
    rsa_spki,
)
from hsm.errors import ConfigurationError, SignatureMismatch
from hsm.parent.signature_check import SignatureCheck

P384_PARAMETERS = bytes.fromhex("06052b81040022")
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
ED_KEY = ed25519.Ed25519PrivateKey.generate()
MESSAGE = b"to be signed"
DIGEST = hashlib.sha256(MESSAGE).digest()


def spki(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """DER SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


EC_POINT = EC_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
ED_POINT = ED_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
NUMBERS = RSA_KEY.public_key().public_numbers()
MODULUS = NUMBERS.n.to_bytes(256, "big")

KEYS = {
    "a P-256 point in an OCTET STRING": (
        ec_spki(P256_PARAMETERS, b"\x04\x41" + EC_POINT),
        Algorithm.ECDSA_P256,
        EC_KEY,
    ),
    "a raw P-256 point": (ec_spki(P256_PARAMETERS, EC_POINT), Algorithm.ECDSA_P256, EC_KEY),
    "an Ed25519 point in an OCTET STRING": (
        edwards_spki(ED25519_PARAMETERS[0], b"\x04\x20" + ED_POINT),
        Algorithm.ED25519,
        ED_KEY,
    ),
    "a raw Ed25519 point": (edwards_spki(ED25519_PARAMETERS[0], ED_POINT), Algorithm.ED25519, ED_KEY),
    "Ed25519 by the name of its curve": (edwards_spki(ED25519_PARAMETERS[1], ED_POINT), Algorithm.ED25519, ED_KEY),
    "an RSA key": (rsa_spki(MODULUS, b"\1\0\1"), Algorithm.RSA_2048, RSA_KEY),
    "an RSA key with leading zeros": (rsa_spki(b"\0" + MODULUS, b"\0\1\0\1"), Algorithm.RSA_2048, RSA_KEY),
}


@pytest.mark.parametrize("row", KEYS)
def test_public_keys(row: str) -> None:
    found, algorithm, key = KEYS[row]
    assert found == (algorithm, spki(key))


def test_an_unused_size_of_rsa_has_a_key_but_no_algorithm() -> None:
    key = rsa.generate_private_key(65537, 1024)
    modulus = key.public_key().public_numbers().n.to_bytes(128, "big")
    assert rsa_spki(modulus, b"\1\0\1") == (None, spki(key))


# Keys whose raw points begin as an OCTET STRING of the right length would.
DECEIVING = {
    "P-256": (ec.SECP256R1(), P256_PARAMETERS, 111),
    "P-384": (ec.SECP384R1(), P384_PARAMETERS, 94),
    "secp256k1": (ec.SECP256K1(), bytes.fromhex("06052b8104000a"), 96),
}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("name", DECEIVING)
def test_a_raw_point_that_looks_like_a_wrapped_one_is_read_as_what_it_is(name: str, wrapped: bool) -> None:
    curve, parameters, number = DECEIVING[name]
    key = ec.derive_private_key(number, curve)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert point[1] == len(point) - 2
    _, found = ec_spki(parameters, b"\x04" + bytes([len(point)]) + point if wrapped else point)
    assert found == spki(key)


UNUSED = {
    "P-384": (ec.SECP384R1(), P384_PARAMETERS),
    "P-521": (ec.SECP521R1(), bytes.fromhex("06052b81040023")),
    "secp256k1": (ec.SECP256K1(), bytes.fromhex("06052b8104000a")),
    "brainpoolP256r1": (ec.BrainpoolP256R1(), bytes.fromhex("06092b2403030208010107")),
}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("name", UNUSED)
def test_an_unused_curve_has_a_key_but_no_algorithm(name: str, wrapped: bool) -> None:
    curve, parameters = UNUSED[name]
    key = ec.generate_private_key(curve)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    length = bytes([len(point)]) if len(point) < 128 else bytes([0x81, len(point)])
    assert ec_spki(parameters, b"\x04" + length + point if wrapped else point) == (None, spki(key))


def test_an_unused_edwards_curve_has_a_key_but_no_algorithm() -> None:
    key = ed448.Ed448PrivateKey.generate()
    point = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for parameters in (bytes.fromhex("06032b6571"), b"\x13\x0aedwards448"):
        for form in (point, b"\x04\x39" + point):
            assert edwards_spki(parameters, form) == (
                None,
                key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            )


STRANGE = {
    "a point of another curve": (P384_PARAMETERS, EC_POINT),
    "explicit parameters": (bytes.fromhex("3003020101"), EC_POINT),
    "a curve that nobody knows": (bytes.fromhex("06032a0304"), EC_POINT),
    "no parameters": (b"", EC_POINT),
    "no object identifier": (b"\x06\xff\x2a", EC_POINT),
    "no point": (P384_PARAMETERS, b"\x00"),
}


@pytest.mark.parametrize("sentence", STRANGE)
def test_what_is_on_no_known_curve_is_nothing(sentence: str) -> None:
    assert ec_spki(*STRANGE[sentence]) == (None, None)
    assert edwards_spki(*STRANGE[sentence]) == (None, None)


REFUSED_KEYS = {
    "a point off the curve": lambda: ec_spki(P256_PARAMETERS, EC_POINT[:-1] + bytes([EC_POINT[-1] ^ 1])),
    "a cut point": lambda: ec_spki(P256_PARAMETERS, EC_POINT[:-1]),
    "no point": lambda: ec_spki(P256_PARAMETERS, b""),
    "the point at infinity": lambda: ec_spki(P256_PARAMETERS, b"\0"),
    "a wrapped point with a wrong length": lambda: ec_spki(P256_PARAMETERS, b"\x04\x40" + EC_POINT),
    "an Ed25519 point of 31 bytes": lambda: edwards_spki(ED25519_PARAMETERS[0], ED_POINT[1:]),
    "a modulus of zero": lambda: rsa_spki(b"\0", b"\1\0\1"),
    "an even exponent": lambda: rsa_spki(MODULUS, b"\2"),
}


@pytest.mark.parametrize("row", REFUSED_KEYS)
def test_refused_public_keys(row: str) -> None:
    with pytest.raises(EncodingError):
        REFUSED_KEYS[row]()


@given(st.integers(1, 2**256 - 1), st.integers(1, 2**256 - 1))
def test_der_becomes_two_numbers_of_32_bytes(r: int, s: int) -> None:
    raw = normalised(Algorithm.ECDSA_P256, encode_dss_signature(r, s))
    assert len(raw) == 64 or len(encode_dss_signature(r, s)) == 64
    if len(encode_dss_signature(r, s)) != 64:
        assert raw == r.to_bytes(32, "big") + s.to_bytes(32, "big")


REFUSED_SIGNATURES = {
    "nothing": (Algorithm.ECDSA_P256, b""),
    "63 bytes": (Algorithm.ECDSA_P256, bytes(63)),
    "65 bytes": (Algorithm.ECDSA_P256, bytes(65)),
    "DER with something behind it": (Algorithm.ECDSA_P256, encode_dss_signature(2**255, 2**255) + b"\0"),
    "DER of numbers beyond 256 bits": (Algorithm.ECDSA_P256, encode_dss_signature(2**256, 1)),
    "DER of a negative number": (Algorithm.ECDSA_P256, bytes.fromhex("3006020180020101")),
    "a short RSA signature": (Algorithm.RSA_2048, bytes(255)),
    "a long RSA signature": (Algorithm.RSA_2048, bytes(257)),
    "DER where Ed25519 is meant": (Algorithm.ED25519, encode_dss_signature(2**255, 2**255)),
}


@pytest.mark.parametrize("row", REFUSED_SIGNATURES)
def test_refused_signatures(row: str) -> None:
    with pytest.raises(EncodingError):
        normalised(*REFUSED_SIGNATURES[row])


def ecdsa() -> bytes:
    """A fresh raw signature."""
    r, s = decode_dss_signature(EC_KEY.sign(MESSAGE, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


PINNED = {
    Algorithm.ECDSA_P256: (EC_KEY, DIGEST, ecdsa()),
    Algorithm.RSA_2048: (RSA_KEY, DIGEST, RSA_KEY.sign(MESSAGE, padding.PKCS1v15(), SHA256())),
    Algorithm.ED25519: (ED_KEY, MESSAGE, ED_KEY.sign(MESSAGE)),
}


@pytest.mark.parametrize("algorithm", PINNED)
def test_only_a_right_signature_leaves(algorithm: Algorithm) -> None:
    private, signed, signature = PINNED[algorithm]
    key = PinnedKey(key_id=b"\1", algorithm=algorithm, spki=spki(private))
    verifier = SignatureCheck()
    assert verifier.verified(key, signed=signed, signature=signature) == signature
    for position in range(0, len(signature), 7):
        wrong = bytearray(signature)
        wrong[position] ^= 1
        with pytest.raises(SignatureMismatch):
            verifier.verified(key, signed=signed, signature=bytes(wrong))
    with pytest.raises(SignatureMismatch):
        verifier.verified(key, signed=hashlib.sha256(signed).digest(), signature=signature)


UNUSABLE_PINS = {
    "no key at all": (Algorithm.ECDSA_P256, b""),
    "noise": (Algorithm.ECDSA_P256, bytes(91)),
    "a key of another kind": (Algorithm.ED25519, spki(EC_KEY)),
    "an RSA key of another size": (Algorithm.RSA_3072, spki(RSA_KEY)),
    "another curve": (Algorithm.ECDSA_P256, spki(ec.generate_private_key(ec.SECP384R1()))),
}


@pytest.mark.parametrize("row", UNUSABLE_PINS)
def test_unusable_pins(row: str) -> None:
    algorithm, pinned = UNUSABLE_PINS[row]
    with pytest.raises(ConfigurationError):
        SignatureCheck().verified(
            PinnedKey(key_id=b"\1", algorithm=algorithm, spki=pinned), signed=DIGEST, signature=bytes(64)
        )


@pytest.mark.parametrize("key_id", [b"", bytes(256)])
def test_an_identifier_has_1_to_255_bytes(key_id: bytes) -> None:
    with pytest.raises(ValueError, match="CKA_ID"):
        PinnedKey(key_id=key_id, algorithm=Algorithm.ECDSA_P256, spki=spki(EC_KEY))
