"""Signatures in the forms of other products: written, read again, and nothing else read."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from hsm.algorithms import Algorithm
from signer.domain.dialects import (
    NATIVE_SEGMENTS,
    SIGNSERVER_DUMMY,
    Marshaling,
    read_vault_signature,
    vault_signature,
    verifies,
)
from signer.web.dialect_routes import EVERY_ROUTE
from tests.support.memory_tokens import make_key, spki_of

# r and s that need their zeros, and that are negative as they stand.
RAW = bytes([0, 1]) + bytes(30) + bytes([0xFF]) + bytes(31)
P256, RSA = Algorithm.ECDSA_P256, Algorithm.RSA_3072
WRITTEN = {
    "ECDSA as JWS: r and s, base64url, no padding": (
        P256, Marshaling.JWS, RAW, "vault:v3:" + base64.urlsafe_b64encode(RAW).decode().rstrip("=")
    ),
    "ECDSA as ASN.1: DER in standard base64": (
        P256,
        Marshaling.ASN1,
        RAW,
        "vault:v3:" + base64.b64encode(bytes.fromhex("3044021f01" + "00" * 30 + "022100ff" + "00" * 31)).decode(),
    ),
    "RSA as ASN.1: standard base64, padded": (
        RSA, Marshaling.ASN1, b"\xff" * 384, "vault:v3:" + base64.b64encode(b"\xff" * 384).decode()
    ),
    "RSA as JWS: base64url": (RSA, Marshaling.JWS, b"\xff" * 384, "vault:v3:" + "_" * 512),
}  # fmt: skip


@pytest.mark.parametrize("sentence", WRITTEN)
def test_a_signature_is_written_and_read_again(sentence: str) -> None:
    algorithm, marshaling, raw, text = WRITTEN[sentence]
    assert vault_signature(algorithm, 3, raw, marshaling) == text
    read = read_vault_signature(text, algorithm, marshaling)
    assert read is not None
    assert (read.version, read.raw) == (3, raw)


NOT_READ = {
    "nothing": "",
    "no prefix": base64.b64encode(RAW).decode(),
    "another prefix": "vault:v3",
    "version 0": "vault:v0:AAAA",
    "a version with a sign": "vault:v+3:AAAA",
    "a version of many digits": "vault:v1234567890:AAAA",
    "no base64": "vault:v3:a",
    "no DER": "vault:v3:AAAA",
    "DER of numbers that are too long": "vault:v3:"
    + base64.b64encode(bytes.fromhex("30270222") + bytes([1] * 34) + bytes.fromhex("020101")).decode(),
    "a line's end": "vault:v3:AAAA\n",
    "more than any signature": "vault:v3:" + "A" * 1028,
}


@pytest.mark.parametrize("sentence", NOT_READ)
def test_what_is_no_signature_is_not_read(sentence: str) -> None:
    assert read_vault_signature(NOT_READ[sentence], P256, Marshaling.ASN1) is None


def test_a_signature_verifies_over_its_digest_with_its_key_alone() -> None:
    key, other = make_key(P256), make_key(P256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    digest = hashlib.sha256(b"x").digest()
    r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert verifies(spki_of(key), digest, raw)
    assert not verifies(spki_of(key), hashlib.sha256(b"y").digest(), raw)
    assert not verifies(spki_of(other), digest, raw)
    assert not verifies(spki_of(key), digest, raw + b"\0")
    assert not verifies(spki_of(make_key(Algorithm.ED25519)), digest, raw)


def test_the_dummy_is_the_one_of_signservers_clients() -> None:
    assert base64.b64encode(SIGNSERVER_DUMMY) == b"taLJYlBhI2bqJy/6xtl0Sq9LRarNlqp8/Lkx7jtVglk="


def test_the_service_names_all_its_own_segments() -> None:
    own = {route.path.split("/")[2] for route in EVERY_ROUTE if route.path.startswith("/v1/")}
    assert own - {"transit"} == NATIVE_SEGMENTS
