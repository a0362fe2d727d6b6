"""What is told of recalls, as JSON documents."""

from __future__ import annotations

from typing_extensions import TypedDict

from signer.domain.recalls import Recall
from signer.domain.timestamps import rfc3339


class RecallDocument(TypedDict):
    """A recalled manifest. ``leaf``: the index of the leaf that says so."""

    manifest_sha256: str
    leaf: int
    recalled_at: str
    actor: str
    reason: str
    changed: bool


def recall_document(recall: Recall, *, changed: bool) -> RecallDocument:
    """A recall, and whether it is a new one."""
    return {
        "manifest_sha256": recall.manifest_sha256,
        "leaf": recall.leaf,
        "recalled_at": rfc3339(recall.recalled_at),
        "actor": recall.actor,
        "reason": recall.reason,
        "changed": changed,
    }
