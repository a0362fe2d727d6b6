"""What the client demands of a proof before it writes a file: that this very signature is on record.

1. The leaf stands under the root of the checkpoint, and records this manifest, key and signature.
2. Where a key of the log is known, it signed the checkpoint, and the demanded witnesses did. Without one, that is what
   the proof does not show here: ``artifact-verify --log-key`` asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from signer.answers import ClientError, SignedBy
from signer.signature_check import DROPPED
from verifier import Manifest
from verifier import VerificationError as Refusal
from verifier.log import (
    Checkpoint,
    LogProof,
    LogTrust,
    SignedNote,
    open_checkpoint,
    recorded_leaf,
)
from verifier.wording import explain


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeSignature:
    """A signature that was verified. ``encoded``: the bytes of ``manifest.sig``."""

    manifest: Manifest
    encoded: bytes
    key: SignedBy


def require_recorded(
    unverified_proof: bytes, made: MadeSignature, trust: LogTrust | None, *, allow_emergency: bool = False
) -> int:
    """The index of the leaf that records the signature; raises ``ClientError`` where the proof does not show it.

    ``allow_emergency``: it may have been made past its approvals.
    """
    try:
        proof = LogProof.parse(unverified_proof)
        recorded_leaf(
            proof,
            _checkpoint(proof.checkpoint, trust),
            manifest_sha256=made.manifest.sha256,
            fingerprint=made.key.fingerprint,
            signature=made.encoded,
            allow_emergency=allow_emergency,
        )
    except Refusal as error:
        raise unproved(error) from error
    return proof.index


def unproved(error: Refusal) -> ClientError:
    """What is told of a proof that shows nothing, for this reason."""
    sentence = f"the service's proof does not show the signature on record: {explain(error).sentence}"
    return ClientError(sentence=sentence, hint=DROPPED)


def _checkpoint(note: bytes, trust: LogTrust | None) -> Checkpoint:
    if trust is None:
        return Checkpoint.parse(SignedNote.parse(note).text)
    opened = open_checkpoint(note, trust.log_keys, witnesses=trust.witnesses, demanded=trust.demanded)
    return opened.checkpoint
