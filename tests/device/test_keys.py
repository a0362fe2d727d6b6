"""Keys that a device may have, and requests that the service's own reader takes."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from device.errors import KeyUnreadable
from device.keys import DeviceKey, KeyKind, made
from device.requests import Freshness, KeyPair, auth_request, identity_text, key_change
from signer.domain.auth_requests import read_auth_request, read_key_change
from signer.errors import DeviceRefused
from tests.support.device_side import known_key

IDENTITY = {"serial": "SN-ä", "mac": ["02:00:00:00:00:01", "02:00:00:00:00:02"]}
READ = ("rsa-2048", "rsa-3072", "p-256", "p-384", "p-521", "ed25519")
FORMATS = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)


def of_kind(kind: str) -> DeviceKey:
    return DeviceKey.of_pem("key.pem", known_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize("kind", READ)
def test_the_service_reads_what_a_key_signs(kind: str) -> None:
    key, following = of_kind(kind), DeviceKey.of_pem("next", made(KeyKind.P256))
    request = auth_request(key, IDENTITY, Freshness.at(5))
    proved = read_auth_request(request.body).verified(request.headers["X-MEN-Signature"])
    assert (proved.key.sha256, proved.freshness is not None) == (key.fingerprint, True)
    change = key_change(KeyPair(present=key, following=following), IDENTITY, Freshness.at(6), "a.b.c")
    signatures = (change.headers["X-MEN-Signature"], change.headers["X-MEN-Next-Signature"])
    assert read_key_change(change.body).verified(*signatures).next_key.sha256 == following.fingerprint
    with pytest.raises(DeviceRefused):
        read_key_change(change.body).verified(*reversed(signatures))


@pytest.mark.parametrize("kind", KeyKind)
def test_each_kind_that_is_made_is_read_again(kind: KeyKind) -> None:
    pem = made(kind)
    assert DeviceKey.of_pem("key.pem", pem).algorithm in (kind.value, "secp256r1")
    assert made(kind) != pem


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ["rsa-2048", "p-256"])
def test_what_other_programs_write_is_read(kind: str, form: PrivateFormat) -> None:
    pem = known_key(kind).private_bytes(Encoding.PEM, form, NoEncryption())
    assert DeviceKey.of_pem("key.pem", pem).fingerprint == of_kind(kind).fingerprint


def pkcs8(private: object, passphrase: bytes | None = None) -> bytes:
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)  # type: ignore[attr-defined, no-any-return]


REFUSED = {
    "nothing": lambda: b"",
    "no PEM": lambda: b"a key",
    "half a key": lambda: pkcs8(known_key("p-256"))[:100],
    "a public key": lambda: (
        known_key("p-256").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ),
    "one with a passphrase": lambda: pkcs8(known_key("p-256"), b"secret"),
    "RSA with 1024 bits": lambda: pkcs8(rsa.generate_private_key(65537, 1024)),
    "a curve that the service takes and nobody should": lambda: pkcs8(known_key("p-224")),
    "another curve": lambda: pkcs8(ec.generate_private_key(ec.SECP256K1())),
    "DSA": lambda: pkcs8(dsa.generate_private_key(1024)),
    "Ed448": lambda: pkcs8(ed448.Ed448PrivateKey.generate()),
}


@pytest.mark.parametrize("sentence", REFUSED)
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_what_no_device_should_have_is_refused(sentence: str) -> None:
    with pytest.raises(KeyUnreadable):
        DeviceKey.of_pem("key.pem", REFUSED[sentence]())


def test_the_identity_is_one_text_whatever_the_order_of_its_members() -> None:
    assert identity_text(IDENTITY) == identity_text(dict(reversed(IDENTITY.items())))
    assert json.loads(identity_text(IDENTITY)) == IDENTITY
    assert identity_text({"b": "1", "a": "2"}) == '{"a":"2","b":"1"}'
