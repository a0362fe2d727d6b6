"""Signatures: their encodings, the key that is reported, and the most specific refusal."""

from __future__ import annotations

import base64

import pytest

from tests.artifacts import KeyKind, SignatureForm, private_key
from tests.artifacts.keys import raw_of_der, sign, sign_until
from verifier import (
    SignatureEncoding,
    VerificationError,
    decode_signature,
    errors,
    verify_manifest_signature,
)

from .support import trust

MANIFEST = b"signed bytes"
ALL = (KeyKind.RSA_2048, KeyKind.OTHER_P256, KeyKind.P256, KeyKind.RSA_3072)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def encoded(kind: KeyKind, form: SignatureForm = SignatureForm.STANDARD, manifest: bytes = MANIFEST) -> bytes:
    return base64.b64encode(sign(private_key(kind), manifest, form))


def der(length: int) -> bytes:
    return sign_until(private_key(KeyKind.P256), MANIFEST, lambda s: len(s) == length, SignatureForm.DER)


@pytest.mark.parametrize(
    ("kind", "encoding"),
    [
        (KeyKind.P256, SignatureEncoding.ECDSA_RAW),
        (KeyKind.RSA_2048, SignatureEncoding.PKCS1_V15),
        (KeyKind.RSA_3072, SignatureEncoding.PKCS1_V15),
    ],
)
def test_the_key_that_made_it_is_found_among_others(kind: KeyKind, encoding: SignatureEncoding) -> None:
    match = verify_manifest_signature(MANIFEST, encoded(kind), trust(*ALL))
    assert match.key == trust(kind).keys[0]
    assert match.encoding is encoding


@pytest.mark.parametrize("length", [70, 71, 72])
def test_der_of_a_usual_length_is_accepted(length: int) -> None:
    match = verify_manifest_signature(MANIFEST, base64.b64encode(der(length)), trust(*ALL))
    assert match.encoding is SignatureEncoding.ECDSA_DER


def test_der_of_a_rare_length_is_reported_as_such_and_not_as_a_wrong_key() -> None:
    with pytest.raises(errors.DerSignatureLengthRefused) as refusal:
        verify_manifest_signature(MANIFEST, base64.b64encode(der(69)), trust(*ALL))
    assert refusal.value.length == 69
    assert refusal.value.fingerprint == trust(KeyKind.P256).keys[0].fingerprint


def raw(r: int, s: int) -> bytes:
    return base64.b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


GOOD = sign(private_key(KeyKind.P256), MANIFEST)
R, S = int.from_bytes(GOOD[:32], "big"), int.from_bytes(GOOD[32:], "big")
RSA_SIGNATURE = sign(private_key(KeyKind.RSA_2048), MANIFEST)

INVALID = {
    "another manifest": encoded(KeyKind.P256, manifest=b"other bytes"),
    "a key that is not trusted": encoded(KeyKind.OTHER_RSA_3072),
    "SHA-384": encoded(KeyKind.P256, SignatureForm.SHA384),
    "SHA-512 with RSA": encoded(KeyKind.RSA_2048, SignatureForm.SHA512),
    "RSA-PSS": encoded(KeyKind.RSA_2048, SignatureForm.PSS),
    "P-384": encoded(KeyKind.P384),
    "Ed25519": encoded(KeyKind.ED25519),
    "r is zero": raw(0, S),
    "s is zero": raw(R, 0),
    "both are zero": raw(0, 0),
    "r is the order": raw(ORDER, S),
    "s is over the order": raw(R, (S + ORDER) % (1 << 256)),
    "r and s change places": raw(S, R),
    "63 bytes": base64.b64encode(GOOD[:-1]),
    "65 bytes": base64.b64encode(GOOD + b"\0"),
    "one byte": base64.b64encode(b"x"),
    "an RSA signature with a zero before it": base64.b64encode(b"\0" + RSA_SIGNATURE),
    "an RSA signature without its last byte": base64.b64encode(RSA_SIGNATURE[:-1]),
    "an RSA signature plus its modulus": base64.b64encode(bytes(len(RSA_SIGNATURE))),
    "DER with a byte after it": base64.b64encode(der(70) + b"\0"),
}


@pytest.mark.parametrize("sentence", INVALID)
def test_no_key_made_it(sentence: str) -> None:
    with pytest.raises(errors.SignatureInvalid) as refusal:
        verify_manifest_signature(MANIFEST, INVALID[sentence], trust(*ALL))
    assert refusal.value.fingerprints == tuple(key.fingerprint for key in trust(*ALL).keys)


STANDARD = encoded(KeyKind.P256)
# 64 bytes leave four bits of the last digit before the padding unused.
LOOSE_BITS = STANDARD[:-3] + bytes([STANDARD[-3] + 1]) + b"=="

NOT_BASE64 = {
    "nothing": b"",
    "a newline at the end": STANDARD + b"\n",
    "two lines": STANDARD[:44] + b"\n" + STANDARD[44:],
    "a blank before it": b" " + STANDARD,
    "no padding": STANDARD.rstrip(b"="),
    "too much padding": STANDARD + b"=",
    "padding in the middle": STANDARD[:4] + b"==" + STANDARD[6:],
    "URL-safe letters": base64.urlsafe_b64encode(b"\xfb\xef\xff" * 21 + b"x"),
    "the signature itself": GOOD,
    "hexadecimal in DER": b"3045022100",
    "a letter that is not ASCII": STANDARD[:-4] + "äöü".encode(),
    "a NUL at the end": STANDARD + b"\0",
    "bits that carry nothing": LOOSE_BITS,
    "padding alone": b"====",
}


@pytest.mark.parametrize("sentence", NOT_BASE64)
def test_only_one_line_of_standard_base64_is_decoded(sentence: str) -> None:
    with pytest.raises(errors.SignatureEncodingInvalid):
        decode_signature(NOT_BASE64[sentence])


def test_base64_is_decoded() -> None:
    assert decode_signature(STANDARD) == base64.b64decode(STANDARD)


def test_raw_and_der_are_the_same_signature() -> None:
    signature = der(71)
    match = verify_manifest_signature(MANIFEST, base64.b64encode(raw_of_der(signature)), trust())
    assert match.encoding is SignatureEncoding.ECDSA_RAW


def test_signature_errors_are_one_family() -> None:
    for error in (errors.Unsigned, errors.SignatureInvalid, errors.SignatureEncodingInvalid):
        assert issubclass(error, errors.SignatureError)
        assert issubclass(error, VerificationError)
