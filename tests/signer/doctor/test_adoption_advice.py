"""Doctor advises to adopt what can be adopted, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm import TokenKey
from hsm.algorithms import Algorithm
from signer.doctor.consistency import adoption

P384 = ec.generate_private_key(ec.SECP384R1()).public_key()
PAIR = TokenKey(
    key_id=b"\xee\x01",
    label="stranger",
    algorithm=Algorithm.ECDSA_P256,
    spki=b"spki",
    extractable=False,
    sensitive=True,
    always_sensitive=True,
    local=True,
    sign=True,
    has_private=True,
    has_public=True,
)
ADVICE = "artifact-signer keys adopt NAME"
ROWS: dict[str, tuple[TokenKey, bool, str]] = {
    "a whole pair": (PAIR, True, "--algorithm ecdsa-p256 --cka-id ee01 takes it in"),
    "a pair that can be taken out": (replace(PAIR, extractable=True), True, "--cka-id ee01"),
    "a private key alone": (
        replace(PAIR, algorithm=None, spki=None, has_public=False), True, "--cka-id ee01, with --public-key FILE"
    ),
    "a public key alone": (replace(PAIR, has_private=False, sign=False), False, "public key alone"),
    "a pair without a CKA_ID": (replace(PAIR, key_id=b""), False, "no CKA_ID"),
    "a pair with a CKA_ID that nothing finds again": (replace(PAIR, key_id=bytes(256)), False, "no CKA_ID"),
    "a pair of a kind that no key here can be": (
        replace(PAIR, algorithm=None, spki=P384.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        False,
        "which no key here can be",
    ),
    "a pair whose public key is nothing that is known": (
        replace(PAIR, algorithm=None, spki=b"nothing"), False, "of a kind that is not known here"
    ),
    "a pair that may not sign": (replace(PAIR, sign=False), False, "CKA_SIGN is false"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", ROWS)
def test_the_advice(sentence: str) -> None:
    pair, adoptable, says = ROWS[sentence]
    hint = adoption(pair)
    assert says in hint
    assert (ADVICE in hint) is adoptable
    assert "tools of the token's maker" in hint
