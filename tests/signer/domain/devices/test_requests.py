"""Requests of devices: the reference's checks as rows, and signatures of each kind over exactly what came."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.domain.auth_requests import (
    CLOCK_TOLERANCE,
    MAX_NONCES,
    Freshness,
    LastFresh,
    fresh_after,
    read_auth_request,
    read_key_change,
)
from signer.errors import AuthRequestInvalid, DeviceRefusal, DeviceRefused
from tests.support.device_side import KINDS, SomeDevice, known_key, new_key, pem_of, signed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TS = int(NOW.timestamp())
DEVICE = SomeDevice(key=known_key("p-256"))
BODY = DEVICE.body()


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_is_proved_by_its_key(kind: str) -> None:
    device = SomeDevice(key=known_key(kind))
    proved = read_auth_request(device.body()).verified(device.sign(device.body()))
    assert (proved.key, proved.identity, proved.freshness) == (device.public_key, device.identity, None)


def test_a_request_of_the_newer_client_is_proved() -> None:
    members = {"id_data": '{"mac":"1"}', "pubkey": pem_of(DEVICE.key), "tier": "standard"}
    body = json.dumps(members).encode()
    assert read_auth_request(body).verified(DEVICE.sign(body)).identity.text == '{"mac":"1"}'


def _changed(**members: object) -> bytes:
    document = json.loads(BODY)
    document |= members
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


def _spki(key: object) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()  # type: ignore[attr-defined]


P256 = pem_of(DEVICE.key)
RSA = known_key("rsa-2048")
assert isinstance(RSA, rsa.RSAPrivateKey)
HUGE_EXPONENT = rsa.RSAPublicNumbers((1 << 40) + 1, RSA.public_key().public_numbers().n)
STRANGE_CURVE = ec.generate_private_key(ec.SECP256K1()).public_key()
UNREADABLE = {
    "nothing": b"",
    "no JSON": b"id_data=1",
    "a list": b"[]",
    "null": b"null",
    "half of it": BODY[: len(BODY) // 2],
    "bytes that are no text": b'{"id_data":"\xff"}',
    "another encoding": BODY.decode().encode("utf-16"),
    "a member twice": BODY.replace(b'"tenant_token":""', b'"id_data":"{}"'),
    "too many levels": b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "no identity": _changed(id_data=...),
    "an empty identity": _changed(id_data=""),
    "an identity that is an object": _changed(id_data={"mac": "1"}),
    "an identity that is null": _changed(id_data=None),
    "an identity that says null": _changed(id_data="null"),
    "an identity with a member twice": _changed(id_data='{"mac":"1","mac":"2"}'),
    "no key": _changed(pubkey=...),
    "an empty key": _changed(pubkey=""),
    "a key that is a number": _changed(pubkey=1),
    "a key without PEM": _changed(pubkey=P256.split("\n")[1]),
    "a key of another block": _changed(pubkey=P256.replace("PUBLIC", "RSA PUBLIC")),
    "a certificate's block": _changed(pubkey=P256.replace("PUBLIC KEY", "CERTIFICATE")),
    "two keys": _changed(pubkey=P256 + P256),
    "text before the key": _changed(pubkey="x\n" + P256),
    "text behind the key": _changed(pubkey=P256 + "x"),
    "a key with header lines": _changed(pubkey=P256.replace("KEY-----\n", "KEY-----\nProc-Type: 4\n\n", 1)),
    "a key cut off": _changed(pubkey=P256.replace("AE", "", 1)),
    "a key that is too long": _changed(pubkey=P256.replace("AE", "A" * 9000, 1)),
    "a key as PKCS#1": _changed(pubkey=RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()),
    "a key with RSA-1024": _changed(pubkey=_spki(rsa.generate_private_key(65537, 1024).public_key())),
    "a key with a huge exponent": _changed(pubkey=_spki(HUGE_EXPONENT.public_key())),
    "a key of a curve that is none of theirs": _changed(pubkey=_spki(STRANGE_CURVE)),
    "an Ed448 key": _changed(pubkey=_spki(ed448.Ed448PrivateKey.generate().public_key())),
    "a key that signs nothing": _changed(pubkey=_spki(x25519.X25519PrivateKey.generate().public_key())),
    "a time without a nonce": _changed(ts=TS),
    "a nonce without a time": _changed(nonce="n" * 22),
    "a time that is a fraction": _changed(ts=1.5, nonce="n" * 22),
    "a time that is text": _changed(ts=str(TS), nonce="n" * 22),
    "a time that is true": _changed(ts=True, nonce="n" * 22),
    "a time before all": _changed(ts=-1, nonce="n" * 22),
    "a time after all": _changed(ts=1 << 60, nonce="n" * 22),
    "a short nonce": _changed(ts=TS, nonce="n" * 15),
    "a long nonce": _changed(ts=TS, nonce="n" * 65),
    "a nonce of other characters": _changed(ts=TS, nonce="n" * 22 + "\n"),
    "a nonce that is a number": _changed(ts=TS, nonce=1),
}  # fmt: skip


@pytest.mark.parametrize("sentence", UNREADABLE)
def test_what_is_no_request_is_refused_before_its_signature_is_looked_at(sentence: str) -> None:
    with pytest.raises(AuthRequestInvalid):
        read_auth_request(UNREADABLE[sentence])


def test_a_request_without_a_signature_is_no_request() -> None:
    for missing in (None, ""):
        with pytest.raises(AuthRequestInvalid, match="missing request signature header"):
            read_auth_request(BODY).verified(missing)


def _long_form(signature: bytes) -> bytes:
    """The same DER with a length of two bytes."""
    return b"\x30\x81" + signature[1:]


SIGNATURE = DEVICE.sign(BODY)
RAW = base64.b64decode(SIGNATURE)
R, S = decode_dss_signature(RAW)
RSA_DEVICE, ED_DEVICE = SomeDevice(key=RSA), SomeDevice(key=known_key("ed25519"))


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


NOT_SIGNED: dict[str, tuple[SomeDevice, Callable[[str], str]]] = {
    "no base64": (DEVICE, lambda _: "?" * 96),
    "another script": (DEVICE, lambda text: text + "é"),
    "base64 of URLs": (ED_DEVICE, lambda _: base64.urlsafe_b64encode(b"\xff" * 64).decode()),
    "no padding": (RSA_DEVICE, lambda text: text.rstrip("=")),
    "padding too much": (RSA_DEVICE, lambda text: text + "="),
    "bits behind the end": (RSA_DEVICE, lambda text: text[:-3] + chr(ord(text[-3]) + 1) + "=="),
    "a line end in it": (DEVICE, lambda text: text[:20] + "\n" + text[20:]),
    "a line end behind it": (DEVICE, lambda text: text + "\n"),
    "a blank before it": (DEVICE, lambda text: " " + text),
    "nothing that is anything": (DEVICE, lambda _: "AAAA"),
    "zeros": (DEVICE, lambda _: _encoded(bytes(64))),
    "r and s side by side": (DEVICE, lambda _: _encoded(R.to_bytes(32, "big") + S.to_bytes(32, "big"))),
    "bytes behind the DER": (DEVICE, lambda text: _encoded(base64.b64decode(text) + b"\0")),
    "a length of two bytes": (DEVICE, lambda text: _encoded(_long_form(base64.b64decode(text)))),
    "RSA cut off": (RSA_DEVICE, lambda text: _encoded(base64.b64decode(text)[:-1])),
    "RSA with a zero before it": (RSA_DEVICE, lambda text: _encoded(b"\0" + base64.b64decode(text))),
    "Ed25519 cut off": (ED_DEVICE, lambda text: _encoded(base64.b64decode(text)[:-1])),
    "another device's": (DEVICE, lambda _: signed(new_key(), BODY)),
    "of the body without its newline": (DEVICE, lambda _: DEVICE.sign(BODY[:-1])),
    "of another body": (DEVICE, lambda _: DEVICE.sign(BODY + b" ")),
    "another kind's": (ED_DEVICE, lambda _: RSA_DEVICE.sign(ED_DEVICE.body())),
    "too long for any key": (DEVICE, lambda _: "A" * 4000),
}


@pytest.mark.parametrize("sentence", NOT_SIGNED)
def test_what_its_key_has_not_signed_is_refused(sentence: str) -> None:
    device, spoil = NOT_SIGNED[sentence]
    good = device.sign(device.body())
    request = read_auth_request(device.body())
    request.verified(good)
    with pytest.raises(DeviceRefused) as refused:
        request.verified(spoil(good))
    assert refused.value.reason is DeviceRefusal.SIGNATURE
    assert refused.value.facts == {}


NEXT = new_key("ed25519")
CHANGE = DEVICE.change(NEXT, ts=TS)


def test_a_change_is_proved_by_both_keys() -> None:
    change = read_key_change(CHANGE).verified(DEVICE.sign(CHANGE), signed(NEXT, CHANGE))
    assert (change.key, change.freshness.ts) == (DEVICE.public_key, TS)


HALF_CHANGES = {
    "by the old key alone": (DEVICE.sign(CHANGE), DEVICE.sign(CHANGE), DeviceRefusal.NEXT_SIGNATURE),
    "by the next key alone": (signed(NEXT, CHANGE), signed(NEXT, CHANGE), DeviceRefusal.SIGNATURE),
    "by both the wrong way round": (signed(NEXT, CHANGE), DEVICE.sign(CHANGE), DeviceRefusal.SIGNATURE),
}


@pytest.mark.parametrize("sentence", HALF_CHANGES)
def test_a_change_is_not_proved(sentence: str) -> None:
    first, second, reason = HALF_CHANGES[sentence]
    with pytest.raises(DeviceRefused) as refused:
        read_key_change(CHANGE).verified(first, second)
    assert refused.value.reason is reason


UNREADABLE_CHANGES = {
    "the same key twice": DEVICE.change(DEVICE.key, ts=TS),
    "no time": CHANGE.replace(b'"ts"', b'"tx"'),
    "no time and no nonce": CHANGE.replace(b'"ts"', b'"tx"').replace(b'"nonce"', b'"x"'),
    "no next key": CHANGE.replace(b'"next_pubkey"', b'"next"'),
}


@pytest.mark.parametrize("sentence", UNREADABLE_CHANGES)
def test_a_change_that_cannot_be_read_is_refused(sentence: str) -> None:
    with pytest.raises(AuthRequestInvalid):
        read_key_change(UNREADABLE_CHANGES[sentence])


A, B = "a" * 22, "b" * 22
LAST = LastFresh(ts=TS, nonces=(A,))
FULL = LastFresh(ts=TS, nonces=tuple(f"{number:022}" for number in range(MAX_NONCES)))
FRESH = {
    "a key that sends no time": (None, None, None),
    "the first time": (None, Freshness(ts=TS, nonce=A), LAST),
    "a second later": (LAST, Freshness(ts=TS + 1, nonce=A), LastFresh(ts=TS + 1, nonces=(A,))),
    "another request of the same second": (LAST, Freshness(ts=TS, nonce=B), LastFresh(ts=TS, nonces=(A, B))),
    "as late as may be": (LAST, Freshness(ts=TS + 300, nonce=A), LastFresh(ts=TS + 300, nonces=(A,))),
}
STALE = {
    "sent before": (LAST, Freshness(ts=TS, nonce=A), DeviceRefusal.NOT_FRESH),
    "older": (LAST, Freshness(ts=TS - 1, nonce=B), DeviceRefusal.NOT_FRESH),
    "without a time": (LAST, None, DeviceRefusal.NOT_FRESH),
    "too many in a second": (FULL, Freshness(ts=TS, nonce=A), DeviceRefusal.NOT_FRESH),
    "too late": (None, Freshness(ts=TS + 301, nonce=A), DeviceRefusal.CLOCK),
    "too early": (None, Freshness(ts=TS - 301, nonce=A), DeviceRefusal.CLOCK),
}


@pytest.mark.parametrize("sentence", FRESH)
def test_what_is_fresh_is_remembered(sentence: str) -> None:
    last, freshness, following = FRESH[sentence]
    assert fresh_after(last, freshness, now=NOW) == following


@pytest.mark.parametrize("sentence", STALE)
def test_what_is_not_fresh_is_refused(sentence: str) -> None:
    last, freshness, reason = STALE[sentence]
    with pytest.raises(DeviceRefused) as refused:
        fresh_after(last, freshness, now=NOW)
    assert refused.value.reason is reason


def test_the_bounds_of_the_clock_are_as_the_rows_say() -> None:
    assert timedelta(seconds=300) == CLOCK_TOLERANCE
