"""Project Wycheproof's signatures through the verifier's keys; the folder beside says where they come from.

ECDSA vectors in ASN.1 go to the key itself. Those in P1363 form (r||s) go the way of a manifest.sig, where a
signature of another length than 64 bytes is taken for ASN.1, and none of those is one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from verifier import TrustStore, VerificationError, VerificationKey
from verifier.signatures import verify_manifest_signature

VECTORS = Path(__file__).with_name("wycheproof")
P1363 = "ecdsa_secp256r1_sha256_p1363_test.json"
ASN1 = "ecdsa_secp256r1_sha256_test.json"
RSA = tuple(f"rsa_signature_{bits}_sha256_test.json" for bits in (2048, 3072, 4096))
ED25519 = "ed25519_test.json"

ACCEPTABLE = "acceptable"
MISSING_NULL = "MissingNull"
"""The one flag of vectors that are "acceptable": DigestInfo without its NULL parameter, which
RFC 8017 (9.2, note 1) lets verifiers accept. Both answers are right; this one refuses, as devices do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One signature over one message."""

    number: int
    comment: str
    flags: tuple[str, ...]
    key: VerificationKey
    message: bytes
    signature: bytes
    result: str


def vectors(name: str) -> Iterator[Vector]:
    """The vectors of a file."""
    for group in groups(name):
        key = VerificationKey.from_spki(bytes.fromhex(_spki(group)))
        for test in group["tests"]:
            yield Vector(
                number=test["tcId"],
                comment=test["comment"],
                flags=tuple(test["flags"]),
                key=key,
                message=bytes.fromhex(test["msg"]),
                signature=bytes.fromhex(test["sig"]),
                result=test["result"],
            )


def groups(name: str) -> list[dict[str, Any]]:
    """The keys of a file, each with its vectors."""
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())["testGroups"]
    return found


def _spki(group: dict[str, Any]) -> str:
    return str(group["publicKeyDer"])


def in_a_manifest_sig(vector: Vector) -> bool:
    """Whether the signature passes as the content of a manifest.sig."""
    try:
        verify_manifest_signature(vector.message, base64.b64encode(vector.signature), TrustStore((vector.key,)))
    except VerificationError:
        return False
    return True


def wrong(accepted: bool, vector: Vector) -> str | None:
    """What to report when the verdict is not the vector's."""
    expected = vector.result == "valid"
    if accepted == expected:
        return None
    return f"{vector.number} ({vector.comment}) is {vector.result}, accepted: {accepted}"


def test_raw_ecdsa() -> None:
    verdicts = [wrong(in_a_manifest_sig(vector), vector) for vector in vectors(P1363)]

    assert len(verdicts) > 100
    assert [verdict for verdict in verdicts if verdict] == []


def test_asn1_ecdsa() -> None:
    verdicts = [wrong(vector.key.verify(vector.message, vector.signature), vector) for vector in vectors(ASN1)]

    assert len(verdicts) > 100
    assert [verdict for verdict in verdicts if verdict] == []


def test_asn1_ecdsa_in_a_manifest_sig_passes_only_when_valid_and_of_70_to_72_bytes() -> None:
    lengths = range(70, 73)
    unexpected = [
        vector.number
        for vector in vectors(ASN1)
        if in_a_manifest_sig(vector) != (vector.result == "valid" and len(vector.signature) in lengths)
    ]

    assert unexpected == []


@pytest.mark.parametrize("name", RSA)
def test_rsa(name: str) -> None:
    certain = [vector for vector in vectors(name) if vector.result != ACCEPTABLE]
    verdicts = [wrong(vector.key.verify(vector.message, vector.signature), vector) for vector in certain]

    assert len(verdicts) > 100
    assert [verdict for verdict in verdicts if verdict] == []


@pytest.mark.parametrize("name", RSA)
def test_rsa_acceptable(name: str) -> None:
    acceptable = [vector for vector in vectors(name) if vector.result == ACCEPTABLE]

    assert {vector.flags for vector in acceptable} <= {(MISSING_NULL,)}
    assert not any(vector.key.verify(vector.message, vector.signature) for vector in acceptable)


def test_ed25519_keys_are_refused_as_keys() -> None:
    for group in groups(ED25519):
        with pytest.raises(VerificationError) as refusal:
            VerificationKey.from_spki(bytes.fromhex(_spki(group)))
        assert refusal.value.code == "key-unsupported"
