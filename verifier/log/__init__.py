"""A transparency log as its readers see it: hashes, signed checkpoints, tiles, proofs and leaves.

Pure functions over bytes: nothing here reads a file, opens a connection or looks at a clock.
"""

from verifier.errors import LogError
from verifier.log.checkpoints import Checkpoint, VerifiedCheckpoint, open_checkpoint
from verifier.log.evidence import LogDemand, LogEvidence, LogTrust, recorded_leaf, verify_proof
from verifier.log.hashing import (
    EMPTY_ROOT,
    Frontier,
    consistency_subtrees,
    inclusion_subtrees,
    leaf_hash,
    node_hash,
    subtree_hash,
    verify_consistency,
    verify_inclusion,
)
from verifier.log.leaves import SignatureLeaf, canonical_leaf, parsed_leaf
from verifier.log.notes import KeyType, NoteSignature, SignedNote, VerifierKey
from verifier.log.proofs import LogProof
from verifier.log.recalled import RecalledList, open_recalled
from verifier.log.tiles import Tile, bundle_entries, packed_bundle

__all__ = [
    "EMPTY_ROOT",
    "Checkpoint",
    "Frontier",
    "KeyType",
    "LogDemand",
    "LogError",
    "LogEvidence",
    "LogProof",
    "LogTrust",
    "NoteSignature",
    "RecalledList",
    "SignatureLeaf",
    "SignedNote",
    "Tile",
    "VerifiedCheckpoint",
    "VerifierKey",
    "bundle_entries",
    "canonical_leaf",
    "consistency_subtrees",
    "inclusion_subtrees",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "open_recalled",
    "packed_bundle",
    "parsed_leaf",
    "recorded_leaf",
    "subtree_hash",
    "verify_consistency",
    "verify_inclusion",
    "verify_proof",
]
