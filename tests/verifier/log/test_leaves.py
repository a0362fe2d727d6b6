"""Leaves have one spelling; only a leaf of this very signature proves it."""

# ruff: noqa: E501 - published vectors, as they stand

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verifier.errors import (
    EmergencySignature,
    InclusionRefused,
    LeafIsNoSignature,
    LeafMalformed,
    LeafMismatch,
    LogError,
    NoteUnsigned,
    ProofMalformed,
)
from verifier.log import (
    Frontier,
    LogDemand,
    LogProof,
    LogTrust,
    SignatureLeaf,
    VerifierKey,
    canonical_leaf,
    leaf_hash,
    parsed_leaf,
    verify_proof,
)
from verifier.log.checkpoints import Checkpoint
from verifier.log.leaves import MAX_LEAF_BYTES
from verifier.log.notes import NoteSignature

PUBLISHED = (
    '{"actor":"ci:github/repo:1234","artifact":"release-42 \u20ac","blind":false,"devices":["qemux86-64"],"findings":[],'
    f'"fingerprint":"{"0" * 64}","header_sha256":"{"2" * 64}","key":"firmware","key_version":3,"manifest_sha256":"{"1" * 64}",'
    f'"rule":"fw-release","signature_sha256":"{"3" * 64}","time":"2026-01-01T00:00:00.000000Z","type":"signature","v":1}}'
).encode()


def test_the_published_leaf_has_its_hash() -> None:
    assert len(PUBLISHED) == 562
    assert leaf_hash(PUBLISHED).hex() == "36ac94012bbeccfb9a5b0d2baf7ae64b2319cc50faf9744967d88d062bee831b"
    assert canonical_leaf(parsed_leaf(PUBLISHED)) == PUBLISHED


NOT_CANONICAL = {
    "white space": b'{"a": 1}',
    "a line end": b'{"a":1}\n',
    "members out of order": b'{"b":1,"a":1}',
    "a member twice": b'{"a":1,"a":1}',
    "a fraction": b'{"a":1.0}',
    "an exponent": b'{"a":1e3}',
    "null": b'{"a":null}',
    "not a number": b'{"a":NaN}',
    "minus zero": b'{"a":-0}',
    "a number of 54 bits": b'{"a":9007199254740992}',
    "a number of thousands of digits": b'{"a":' + b"9" * 5000 + b"}",
    "an escape that is not needed": b'{"a":"\\u0061"}',
    "half of a surrogate pair": b'{"a":"\\ud800"}',
    "a name beyond ASCII": '{"ä":1}'.encode(),
    "not UTF-8": b'{"a":"\xff"}',
    "a list": b"[]",
    "nothing": b"",
    "brackets without end": b"[" * MAX_LEAF_BYTES,
    "deeper than leaves are": b'{"a":' + b"[" * 17 + b"]" * 17 + b"}",
    "longer than leaves are": b'{"a":"' + b"x" * MAX_LEAF_BYTES + b'"}',
}


@pytest.mark.parametrize("raw", NOT_CANONICAL.values(), ids=NOT_CANONICAL)
def test_another_spelling_is_refused(raw: bytes) -> None:
    with pytest.raises(LeafMalformed):
        parsed_leaf(raw)


@pytest.mark.parametrize(
    "members",
    [{"a": None}, {"a": 1.5}, {"a": "\ud800"}, {"ä": 1}, {"a": 1 << 53}, {"a": {1: 2}}, {b"a": 1}, {"a": b""}],
)
def test_what_has_no_canonical_form_is_not_written(members: Any) -> None:
    with pytest.raises(LeafMalformed):
        canonical_leaf(members)


PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey.from_pem(
    PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), name="signer.example/log"
)
TRUST = LogTrust(log_keys=(KEY,))
SIGNATURE = base64.b64encode(bytes(64))
MANIFEST = hashlib.sha256(b"manifest").hexdigest()
FINGERPRINT = hashlib.sha256(b"key").hexdigest()
MEMBERS: dict[str, Any] = {
    "v": 1, "type": "signature", "time": "2026-01-01T00:00:00.000000Z", "actor": "api-token:build", "key": "firmware",
    "key_version": 3, "fingerprint": FINGERPRINT, "checked": "head", "manifest_sha256": MANIFEST,
    "signature": SIGNATURE.decode(),
}  # fmt: skip


def proof_of(members: dict[str, Any], *, extra: bool = True) -> bytes:
    """A proof of one leaf between two others."""
    leaf = canonical_leaf(members)
    before, after = leaf_hash(b"before"), leaf_hash(b"after")
    frontier = Frontier().extended([before, leaf_hash(leaf), after])
    text = str(Checkpoint(origin=KEY.name, size=3, root=frontier.root))
    line = NoteSignature(name=KEY.name, id=KEY.id, payload=PRIVATE.sign(text.encode()))
    checkpoint = f"{text}\n{line}\n".encode()
    return bytes(LogProof(index=1, path=(before, after), checkpoint=checkpoint, extra=leaf if extra else b""))


def verified(raw: bytes, trust: LogTrust = TRUST, **changes: Any) -> Any:
    facts = {"manifest_sha256": MANIFEST, "fingerprint": FINGERPRINT, "signature": SIGNATURE} | changes
    return verify_proof(LogDemand(trust=trust, unverified_proof=raw), **facts)


def test_a_proof_of_the_signature_is_evidence() -> None:
    evidence = verified(proof_of(MEMBERS))
    assert (evidence.index, evidence.checkpoint.size, evidence.leaf.actor) == (1, 3, "api-token:build")
    assert evidence.leaf.rule is None
    assert verified(proof_of(MEMBERS | {"rule": "fw-release"})).leaf.rule == "fw-release"


OTHER_KEY = VerifierKey.parse("signer.example/log+f1d59449+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFFcPW6545a5BNP+yn9U/c0Mwem"
                              "XvzddylFa0KbDtANfRTa+OlDzGPv5pUdZAqIhUCvvDVfgjFOyzApW8X2fk1Q=")  # fmt: skip
REFUSED: dict[str, tuple[type[LogError], dict[str, Any], dict[str, Any]]] = {
    "of another manifest": (LeafMismatch, {}, {"manifest_sha256": "0" * 64}),
    "of another key": (LeafMismatch, {}, {"fingerprint": "0" * 64}),
    "of another signature over the same manifest": (LeafMismatch, {}, {"signature": base64.b64encode(b"x" * 64)}),
    "of a refusal of the same manifest": (LeafIsNoSignature, {"type": "refusal"}, {}),
    "of a vote on the same manifest": (LeafIsNoSignature, {"type": "approval-vote"}, {}),
    "of a repeated answer": (LeafIsNoSignature, {"type": "signature-repeated"}, {}),
    "of a token": (LeafIsNoSignature, {"type": "token-issued"}, {}),
    "of a type that is no text": (LeafIsNoSignature, {"type": 1}, {}),
    "of another form": (LeafMalformed, {"v": 2}, {}),
    "of a form that only looks right": (LeafMalformed, {"v": True}, {}),
    "without a signature": (LeafMalformed, {"signature": ""}, {}),
    "with a version that is no number": (LeafMalformed, {"key_version": True}, {}),
}


@pytest.mark.parametrize(("error", "members", "facts"), REFUSED.values(), ids=REFUSED)
def test_a_proof_is_refused(error: type[LogError], members: dict[str, Any], facts: dict[str, Any]) -> None:
    with pytest.raises(error):
        verified(proof_of(MEMBERS | members), **facts)


EMERGENCY = {"emergency": True, "person": "ada", "reason": "a fire"}
MARKED: dict[str, dict[str, Any]] = {
    "by who and why": EMERGENCY,
    "by nobody": {"emergency": True},
    "with a text": {"emergency": "false"},
    "with a number": {"emergency": 0},
    "with a list": {"emergency": []},
}


@pytest.mark.parametrize("members", MARKED.values(), ids=MARKED)
def test_a_signature_in_an_emergency_is_refused_unless_it_is_allowed(members: dict[str, Any]) -> None:
    raw = proof_of(MEMBERS | members)
    with pytest.raises(EmergencySignature):
        verified(raw)
    facts = {"manifest_sha256": MANIFEST, "fingerprint": FINGERPRINT, "signature": SIGNATURE}
    evidence = verify_proof(LogDemand(trust=TRUST, unverified_proof=raw, allow_emergency=True), **facts)
    assert evidence.leaf.emergency


def test_an_emergency_tells_who_and_why() -> None:
    with pytest.raises(EmergencySignature) as refused:
        verified(proof_of(MEMBERS | EMERGENCY))
    assert (refused.value.person, refused.value.reason) == ("ada", "a fire")


def test_what_was_no_emergency_is_accepted() -> None:
    assert not verified(proof_of(MEMBERS | {"emergency": False})).leaf.emergency


@pytest.mark.parametrize("facts", [{"manifest_sha256": "0" * 64}, {"fingerprint": "0" * 64}, {"signature": b"x"}])
def test_an_emergency_that_is_allowed_is_one_of_this_signature(facts: dict[str, Any]) -> None:
    demand = LogDemand(trust=TRUST, unverified_proof=proof_of(MEMBERS | EMERGENCY), allow_emergency=True)
    known = {"manifest_sha256": MANIFEST, "fingerprint": FINGERPRINT, "signature": SIGNATURE}
    with pytest.raises(LeafMismatch):
        verify_proof(demand, **(known | facts))


def test_a_proof_without_its_leaf_is_refused() -> None:
    with pytest.raises(ProofMalformed):
        verified(proof_of(MEMBERS, extra=False))


def test_a_leaf_that_is_not_the_one_in_the_log_is_refused() -> None:
    proof = LogProof.parse(proof_of(MEMBERS))
    other = canonical_leaf(MEMBERS | {"actor": "api-token:thief"})
    swapped = LogProof(index=proof.index, path=proof.path, checkpoint=proof.checkpoint, extra=other)
    with pytest.raises(InclusionRefused):
        verified(bytes(swapped))


def test_a_proof_of_another_log_is_refused() -> None:
    with pytest.raises(NoteUnsigned):
        verified(proof_of(MEMBERS), LogTrust(log_keys=(OTHER_KEY,)))


def test_trust_that_cannot_be_met_is_refused() -> None:
    with pytest.raises(ValueError, match="witnesses"):
        LogTrust(log_keys=(KEY,), demanded=1)
    with pytest.raises(ValueError, match="one name"):
        LogTrust(log_keys=())


def test_a_leaf_is_read_with_all_its_members() -> None:
    assert SignatureLeaf.parse(canonical_leaf(MEMBERS)).members == MEMBERS
