"""What a proof shows of an artifact: that its signature is on record in a log, who had it made, and when.

Checked in this order, and nothing of the leaf is believed before the last step: the checkpoint is signed by the log
(and by the demanded witnesses); the leaf stands under its root; it is of type ``signature``; it holds the artifact's
manifest digest, signing key and signature; it was not signed in an emergency, unless that is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.errors import EmergencySignature, ProofMalformed
from verifier.log.checkpoints import Checkpoint, open_checkpoint
from verifier.log.leaves import SignatureLeaf
from verifier.log.notes import VerifierKey
from verifier.log.proofs import LogProof


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTrust:
    """Which log is believed: its keys, all under one name, and how many of which witnesses have to agree."""

    log_keys: tuple[VerifierKey, ...]
    witnesses: tuple[VerifierKey, ...] = ()
    demanded: int = 0

    def __post_init__(self) -> None:
        if len({key.name for key in self.log_keys}) != 1:
            raise ValueError("the keys of one log have one name")
        if not 0 <= self.demanded <= len({key.name for key in self.witnesses}):
            raise ValueError("more witnesses are demanded than are named")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogDemand:
    """A proof that has to be there: an artifact whose signature it does not show on record is not valid.

    Attributes:
        unverified_proof: the bytes of the proof file (C2SP tlog-proof).
        allow_emergency: what was signed in an emergency, past its approvals, is accepted too.
    """

    trust: LogTrust
    unverified_proof: bytes = field(repr=False)
    allow_emergency: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvidence:
    """The proved record of an artifact's signature."""

    leaf: SignatureLeaf
    index: int
    checkpoint: Checkpoint
    witnesses: tuple[str, ...] = field(default=())


def verify_proof(demand: LogDemand, *, manifest_sha256: str, fingerprint: str, signature: bytes) -> LogEvidence:
    """The record of this signature; raises a ``LogError`` where the proof does not show it.

    Args:
        manifest_sha256: lowercase hex, of the artifact's manifest.
        fingerprint: lowercase hex SHA-256 of the SubjectPublicKeyInfo of the key that verified the artifact.
        signature: the bytes of the artifact's ``manifest.sig``.
    """
    proof, trust = LogProof.parse(demand.unverified_proof), demand.trust
    opened = open_checkpoint(proof.checkpoint, trust.log_keys, witnesses=trust.witnesses, demanded=trust.demanded)
    leaf = recorded_leaf(
        proof,
        opened.checkpoint,
        manifest_sha256=manifest_sha256,
        fingerprint=fingerprint,
        signature=signature,
        allow_emergency=demand.allow_emergency,
    )
    return LogEvidence(leaf=leaf, index=proof.index, checkpoint=opened.checkpoint, witnesses=opened.witnesses)


def recorded_leaf(
    proof: LogProof,
    checkpoint: Checkpoint,
    *,
    manifest_sha256: str,
    fingerprint: str,
    signature: bytes,
    allow_emergency: bool = False,
) -> SignatureLeaf:
    """The leaf that records this signature in the tree of ``checkpoint``, whoever signed that; raises a ``LogError``.

    The arguments are those of ``verify_proof`` and ``LogDemand``.
    """
    if not proof.extra:
        raise ProofMalformed(problem="it does not carry the leaf")
    proof.verify(proof.extra, size=checkpoint.size, root=checkpoint.root)
    leaf = SignatureLeaf.parse(proof.extra)
    leaf.require(manifest_sha256=manifest_sha256, fingerprint=fingerprint, signature=signature)
    if leaf.emergency and not allow_emergency:
        raise EmergencySignature(person=leaf.person or leaf.actor, reason=leaf.reason or "")
    return leaf
