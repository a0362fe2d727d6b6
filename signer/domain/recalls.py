"""Recalled manifests: nothing signs them again, what was signed is not given out again, and devices are told.

1. A recall is of one manifest, under every key, for ever: a release that is wrong is made anew, with other bytes.
2. Its leaf says which recalls there are after it, as a digest over all of them: a list that devices get is compared
   with the newest leaf before it is signed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from signer.domain.leaves import LeafDraft, LogEvent, bounded
from verifier.log.leaves import LeafValue

DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """A manifest that was recalled. ``leaf``: the index of the leaf that says so."""

    manifest_sha256: str
    leaf: int
    recalled_at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecall:
    """What shall be recalled, and why.

    Attributes:
        keys: names of the keys under which whoever asks may recall; None: of all.
        person: whose identity asks; None where it is nobody's.
    """

    manifest_sha256: str
    actor: str
    reason: str
    person: str | None = None
    keys: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedManifest:
    """What is on record of a manifest: the names of keys that signed it, and of the artifact, where it was seen."""

    keys: tuple[str, ...]
    artifact: str | None


def recalled_digest(manifests: Iterable[str]) -> str:
    """Over all recalled manifests, as SHA-256 in hex of one line each, ascending."""
    return hashlib.sha256("".join(f"{each}\n" for each in sorted(manifests)).encode("ascii")).hexdigest()


def recall_draft(new: NewRecall, signed: SignedManifest, recalled: Sequence[str]) -> LeafDraft:
    """The leaf. ``recalled``: all recalled manifests after it."""
    members: dict[str, LeafValue] = {
        "manifest_sha256": new.manifest_sha256,
        "recalled": len(recalled),
        "recalled_sha256": recalled_digest(recalled),
        **bounded("reason", new.reason),
        **bounded("keys", list(signed.keys)),
    }
    if signed.artifact is not None:
        members |= bounded("artifact", signed.artifact)
    if new.person is not None:
        members["person"] = new.person
    return LeafDraft(type=LogEvent.RELEASE_RECALLED, actor=new.actor, members=members)
