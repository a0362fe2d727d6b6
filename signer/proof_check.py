"""What the client demands of a proof before it writes a file: that this very signature is on record.

1. The leaf stands under the root of the checkpoint, and records this manifest, key and signature.
2. Where a key of the log is known, it signed the checkpoint. Without one, that is what the proof does not show here:
   ``artifact-verify --log-key`` asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from signer.answers import ClientError, SignedBy
from signer.signature_check import DROPPED
from verifier import Manifest
from verifier import VerificationError as Refusal
from verifier.log import (
    Checkpoint,
    LogProof,
    LogTrust,
    SignedNote,
    VerifierKey,
    open_checkpoint,
    recorded_leaf,
)
from verifier.wording import explain

VARIABLE = "ARTIFACT_SIGNER_LOG_KEY_FILE"
LARGEST_KEY_FILE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeSignature:
    """A signature that was verified. ``encoded``: the bytes of ``manifest.sig``."""

    manifest: Manifest
    encoded: bytes
    key: SignedBy


def log_trust(option: str | None, environment: Mapping[str, str]) -> LogTrust | None:
    """The log that is believed: the option's, a verifier key or a file of them, or the variable's file.

    None where neither names one; raises ``ClientError`` where what is named holds no key.
    """
    if option is not None and "+" in option and not os.path.lexists(option):
        return _trust([option], "--log-key")
    path = option or environment.get(VARIABLE)
    return _trust(_lines(Path(path)), path) if path else None


def require_recorded(unverified_proof: bytes, made: MadeSignature, trust: LogTrust | None) -> int:
    """The index of the leaf that records the signature; raises ``ClientError`` where the proof does not show it."""
    try:
        proof = LogProof.parse(unverified_proof)
        recorded_leaf(
            proof,
            _checkpoint(proof.checkpoint, trust),
            manifest_sha256=made.manifest.sha256,
            fingerprint=made.key.fingerprint,
            signature=made.encoded,
        )
    except Refusal as error:
        raise ClientError(
            sentence=f"the service's proof does not show the signature on record: {explain(error).sentence}",
            hint=DROPPED,
        ) from error
    return proof.index


def _checkpoint(note: bytes, trust: LogTrust | None) -> Checkpoint:
    if trust is None:
        return Checkpoint.parse(SignedNote.parse(note).text)
    return open_checkpoint(note, trust.log_keys).checkpoint


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise ClientError(sentence=f"the log's key {path} cannot be read: {(error.strerror or '').lower()}") from error
    if len(content) > LARGEST_KEY_FILE_BYTES:
        raise ClientError(sentence=f"{path} is no file of keys of a log")
    return [line for line in content.decode("utf-8", "replace").splitlines() if line.strip()]


def _trust(lines: list[str], source: str) -> LogTrust:
    try:
        return LogTrust(log_keys=tuple(VerifierKey.parse(line) for line in lines))
    except (Refusal, ValueError) as error:
        raise ClientError(
            sentence=f"{source} holds no verifier key of a log, or keys of several logs",
            hint="log.vkey of the installation holds one, as name+id+key",
        ) from error
