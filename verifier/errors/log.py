"""Refusals of what a log says: its notes, checkpoints, proofs, tiles and leaves."""

from __future__ import annotations

from typing import ClassVar

from verifier.errors.base import VerificationError
from verifier.errors.keys import KeyLoadError


class LogError(VerificationError):
    """What a transparency log presents is malformed, or does not prove what it should."""

    code: ClassVar[str] = "log-error"


class InclusionRefused(LogError):
    """The path does not lead from this leaf, at ``index`` of a tree of ``size``, to the root."""

    code: ClassVar[str] = "inclusion-refused"
    index: int
    size: int


class ConsistencyRefused(LogError):
    """The tree of ``size`` is not shown to begin with the tree of ``old_size``."""

    code: ClassVar[str] = "consistency-refused"
    old_size: int
    size: int


class NoteMalformed(LogError):
    """Not a signed note (C2SP signed-note); ``problem`` says what is wrong."""

    code: ClassVar[str] = "note-malformed"
    problem: str


class NoteUnsigned(LogError):
    """No known key signed the note; ``keys`` are the names and identifiers that were looked for."""

    code: ClassVar[str] = "note-unsigned"
    keys: tuple[str, ...]


class NoteSignatureInvalid(LogError):
    """A line in the name of a known key, ``key``, does not verify: the whole note is refused."""

    code: ClassVar[str] = "note-signature-invalid"
    key: str


class VerifierKeyInvalid(KeyLoadError):
    """Not a verifier key of a log or witness (``name+id+base64``), or not one that is used here."""

    code: ClassVar[str] = "verifier-key-invalid"
    source: str | None
    problem: str


class CheckpointMalformed(LogError):
    """The text of the note is no checkpoint (C2SP tlog-checkpoint); ``problem`` says what is wrong."""

    code: ClassVar[str] = "checkpoint-malformed"
    problem: str


class OriginMismatch(LogError):
    """The checkpoint is of another log."""

    code: ClassVar[str] = "origin-mismatch"
    expected: str
    actual: str


class WitnessesMissing(LogError):
    """Fewer of the named witnesses signed the checkpoint than are demanded."""

    code: ClassVar[str] = "witnesses-missing"
    demanded: int
    found: tuple[str, ...]


class ProofUnreadable(LogError):
    """The proof that has to be there is not, or cannot be read; ``reason`` is the system's."""

    code: ClassVar[str] = "proof-unreadable"
    source: str
    reason: str


class ProofMalformed(LogError):
    """Not a proof file (C2SP tlog-proof); ``problem`` says what is wrong."""

    code: ClassVar[str] = "proof-malformed"
    problem: str


class LeafMalformed(LogError):
    """Not a leaf in canonical form; ``problem`` says what is wrong."""

    code: ClassVar[str] = "leaf-malformed"
    problem: str


class LeafIsNoSignature(LogError):
    """The leaf is in the log, but it records something else than a signature that was made."""

    code: ClassVar[str] = "leaf-is-no-signature"
    type: str


class LeafMismatch(LogError):
    """The leaf records another signature than the artifact's; ``member`` is what differs."""

    code: ClassVar[str] = "leaf-mismatch"
    member: str
    expected: str
    actual: str


class EmergencySignature(LogError):
    """The log records the signature as one that was made in an emergency, past its approvals."""

    code: ClassVar[str] = "emergency-signature"
    person: str
    reason: str


class RecalledListUnreadable(LogError):
    """The list of recalled manifests that has to be there is not, or cannot be read; ``reason`` is the system's."""

    code: ClassVar[str] = "recalled-list-unreadable"
    source: str
    reason: str


class RecalledListMalformed(LogError):
    """The text of the note is no list of recalled manifests; ``problem`` says what is wrong."""

    code: ClassVar[str] = "recalled-list-malformed"
    problem: str


class RecalledListOlder(LogError):
    """The list is of an older version than the one that is demanded."""

    code: ClassVar[str] = "recalled-list-older"
    version: int
    demanded: int


class ArtifactRecalled(LogError):
    """The signature holds, and the artifact was recalled: the list of ``version`` names its manifest."""

    code: ClassVar[str] = "artifact-recalled"
    manifest_sha256: str
    version: int


class TilePathInvalid(LogError):
    """Not the canonical path of a tile or bundle (C2SP tlog-tiles)."""

    code: ClassVar[str] = "tile-path-invalid"
    path: str


class BundleMalformed(LogError):
    """Not a bundle of entries: lengths and bytes do not agree."""

    code: ClassVar[str] = "bundle-malformed"
    problem: str
