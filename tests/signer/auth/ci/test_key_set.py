"""Key sets of issuers, and signatures: what is taken, what is passed over, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signer.auth.ci.key_set import KeySetRefused, key_set, verified_payload
from signer.auth.ci.refusals import Reason, TokenRefused
from signer.auth.ci.token import UnverifiedToken
from tests.support.ci_tokens import (
    KeyPair,
    ec_pair,
    encoded,
    github_claims,
    hmac_signer,
    number,
    rsa_pair,
    token,
)

ISSUER = "https://issuer.example"
RS256 = ("RS256",)
BOTH = ("RS256", "ES256")
PAIR, OTHER, CURVE = rsa_pair(), rsa_pair("key-2"), ec_pair()


def published(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def changed(pair: KeyPair = PAIR, **members: Any) -> dict[str, Any]:
    return {name: value for name, value in {**pair.jwk, **members}.items() if value is not ...}


def test_keys_are_found_by_kid() -> None:
    found = key_set(published(PAIR.jwk, OTHER.jwk, CURVE.jwk), BOTH)
    assert set(found) == {"key-1", "key-2", "ec-1"}
    assert found["ec-1"].algorithms == {"ES256"}


PASSED_OVER: dict[str, dict[str, Any]] = {
    "of 1,024 bits": rsa_pair("small", 1024).jwk,
    "of more bits than anybody uses": changed(n=number((1 << 8193) + 1)),
    "of an exponent without end": changed(e=number((1 << 64) + 1)),
    "of an even exponent": changed(e=number(65536)),
    "of no exponent": changed(e=...),
    "of a modulus that is no number": changed(n=7),
    "of a modulus in padded base64": changed(n=PAIR.jwk["n"] + "="),
    "for encryption": changed(use="enc"),
    "for signing alone": changed(key_ops=["sign"]),
    "of operations that are no list": changed(key_ops="verify"),
    "without kid": changed(kid=...),
    "whose kid is a number": changed(kid=1),
    "whose kid has no end": changed(kid="k" * 257),
    "of an algorithm that is not configured": changed(alg="RS512"),
    "of an algorithm that is a list": changed(alg=["RS256"]),
    "whose private half is published too": changed(d="AAAA"),
    "that is a secret": {"kty": "oct", "kid": "key-1", "k": encoded(b"secret")},
    "of another kind": {"kty": "OKP", "kid": "key-1", "crv": "Ed25519", "x": encoded(bytes(32))},
    "without kind": changed(kty=...),
    "of a curve that is not configured": changed(CURVE, crv="P-521"),
    "of a curve that is a list": changed(CURVE, crv=["P-256"]),
    "beside its curve": changed(CURVE, x=encoded(bytes(32))),
}


@pytest.mark.parametrize("key", PASSED_OVER.values(), ids=PASSED_OVER)
def test_a_key_is_passed_over(key: dict[str, Any]) -> None:
    assert set(key_set(published(key, OTHER.jwk), BOTH)) == {"key-2"}


REFUSED_SETS: dict[str, bytes] = {
    "no JSON": b"<html>",
    "a list": json.dumps([PAIR.jwk]).encode(),
    "no keys": b"{}",
    "an empty list": published(),
    "keys that are no list": b'{"keys": {}}',
    "keys that are no objects": b'{"keys": [1, null, "key"]}',
    "nothing that can be used": published(changed(use="enc")),
    "too many keys": published(*[PAIR.jwk] * 101),
    "two keys of one kid": published(PAIR.jwk, changed(OTHER, kid="key-1")),
    "a member twice": b'{"keys": [], "keys": ' + json.dumps([PAIR.jwk]).encode() + b"}",
}


@pytest.mark.parametrize("raw", REFUSED_SETS.values(), ids=REFUSED_SETS)
def test_a_set_is_refused(raw: bytes) -> None:
    with pytest.raises(KeySetRefused):
        key_set(raw, BOTH)


CLAIMS = github_claims(ISSUER)


def payload_of(text: str, *, algorithms: tuple[str, ...] = RS256, keys: bytes | None = None) -> bytes:
    read = UnverifiedToken.parse(text)
    return verified_payload(read, key_set(keys or published(PAIR.jwk), algorithms)["key-1"])


@pytest.mark.parametrize("pair", [PAIR, KeyPair(kid="key-1", algorithm="ES256", private=CURVE.private)])
def test_the_payload_is_what_the_key_signed(pair: KeyPair) -> None:
    payload = payload_of(token(CLAIMS, key=pair), algorithms=BOTH, keys=published(pair.jwk))
    assert json.loads(payload) == CLAIMS


def swapped(text: str) -> str:
    head, _, signature = text.split(".")
    return f"{head}.{encoded(json.dumps({**CLAIMS, 'repository_id': '1'}).encode())}.{signature}"


def cut(text: str) -> str:
    return text[: text.rindex(".") + 1]


FORGED: dict[str, tuple[str, Reason]] = {
    "signed by another key": (token(CLAIMS, sign=OTHER.sign), Reason.SIGNATURE_INVALID),
    "with other claims under the same signature": (swapped(token(CLAIMS)), Reason.SIGNATURE_INVALID),
    "without a signature": (cut(token(CLAIMS)), Reason.SIGNATURE_INVALID),
    "alg none": (cut(token(CLAIMS, header={"alg": "none"})), Reason.ALGORITHM_REFUSED),
    "alg NONE": (cut(token(CLAIMS, header={"alg": "NONE"})), Reason.ALGORITHM_REFUSED),
    "HS256 with the public key": (
        token(CLAIMS, header={"alg": "HS256"}, sign=hmac_signer(PAIR.pem)), Reason.ALGORITHM_REFUSED),
    "HS256 with the key set's text": (
        token(CLAIMS, header={"alg": "HS256"}, sign=hmac_signer(json.dumps(PAIR.jwk).encode())),
        Reason.ALGORITHM_REFUSED),
    "an algorithm that is not configured": (token(CLAIMS, header={"alg": "RS512"}), Reason.ALGORITHM_REFUSED),
    "PS256 where RS256 is": (token(CLAIMS, header={"alg": "PS256"}), Reason.ALGORITHM_REFUSED),
    "an elliptic signature under an RSA key": (
        token(CLAIMS, header={"alg": "ES256"}, sign=CURVE.sign), Reason.ALGORITHM_REFUSED),
    "alg in small letters": (token(CLAIMS, header={"alg": "rs256"}), Reason.ALGORITHM_REFUSED),
}  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), FORGED.values(), ids=FORGED)
def test_a_forgery_is_refused(text: str, reason: Reason) -> None:
    with pytest.raises(TokenRefused) as refused:
        payload_of(text)
    assert refused.value.reason is reason
