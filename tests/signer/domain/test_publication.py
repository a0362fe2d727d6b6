"""Public keys in the one form that all Mender clients read."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from signer.domain.publication import public_key_pem

KEYS = {
    "ecdsa-p256": ec.generate_private_key(ec.SECP256R1()).public_key(),
    "rsa-2048": rsa.generate_private_key(65537, 2048).public_key(),
    "ed25519": ed25519.Ed25519PrivateKey.generate().public_key(),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_public_key_is_one_pem_block_of_subject_public_key_info(name: str) -> None:
    pem = public_key_pem(KEYS[name].public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    assert pem.startswith(b"-----BEGIN PUBLIC KEY-----\n")
    assert pem.endswith(b"\n-----END PUBLIC KEY-----\n")
    assert load_pem_public_key(pem) == KEYS[name]
