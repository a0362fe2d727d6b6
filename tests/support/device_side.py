"""A device's own side: a key, and requests as Debian's client writes and signs them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
KINDS = ("rsa-2048", "rsa-3072", "p-224", "p-256", "p-384", "p-521", "ed25519")
CURVES = {"p-224": ec.SECP224R1, "p-256": ec.SECP256R1, "p-384": ec.SECP384R1, "p-521": ec.SECP521R1}


def new_key(kind: str = "p-256") -> PrivateKey:
    """A key of one of ``KINDS``, never seen before."""
    if kind.startswith("rsa-"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa-")))
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(CURVES[kind]())


@cache
def known_key(kind: str) -> PrivateKey:
    """The one key of a kind, for what needs no new one."""
    return new_key(kind)


def pem_of(key: PrivateKey) -> str:
    """The public half, as clients send it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_key(key: PrivateKey) -> DevicePublicKey:
    """The public half, as the service knows it."""
    return DevicePublicKey.of_pem(pem_of(key))


def signed(key: PrivateKey, body: bytes) -> str:
    """``X-MEN-Signature``."""
    match key:
        case rsa.RSAPrivateKey():
            signature = key.sign(body, padding.PKCS1v15(), SHA256())
        case ec.EllipticCurvePrivateKey():
            signature = key.sign(body, ec.ECDSA(SHA256()))
        case _:
            signature = key.sign(body)
    return base64.b64encode(signature).decode()


def id_data(serial: str) -> str:
    """What the identity script of a device says."""
    return json.dumps({"mac": "02:00:00:00:00:01", "serial": serial}, separators=(",", ":"))


@dataclass
class SomeDevice:
    """A device with one key."""

    serial: str = "SN-0042"
    key: PrivateKey = field(default_factory=new_key)

    @property
    def identity(self) -> DeviceIdentity:
        return DeviceIdentity.of_text(id_data(self.serial))

    @property
    def public_key(self) -> DevicePublicKey:
        return public_key(self.key)

    def body(self, **more: Any) -> bytes:
        """As Go's client writes it: members in this order, no blanks, a newline at the end."""
        members = {"id_data": id_data(self.serial), "tenant_token": "", "pubkey": pem_of(self.key), **more}
        return json.dumps(members, separators=(",", ":")).encode() + b"\n"

    def change(self, next_key: PrivateKey, *, ts: int, nonce: str = "n" * 22) -> bytes:
        """A change to another key."""
        members = {"id_data": id_data(self.serial), "pubkey": pem_of(self.key), "next_pubkey": pem_of(next_key)}
        return json.dumps({**members, "ts": ts, "nonce": nonce}, separators=(",", ":")).encode()

    def sign(self, body: bytes) -> str:
        return signed(self.key, body)
