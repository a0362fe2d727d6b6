"""Records of tokens that were issued. None of them can be used as one, nor can a token be made of it.

A record holds the digests of what was signed and of the signature, never the claims or the signature: these two
together are the token.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from signer.domain.leaves import Leaf, LogEvent, SearchColumns, leaf_time
from signer.domain.records import SignatureEntry
from signer.domain.timestamps import rfc3339
from signer.domain.token_claims import TokenKind
from verifier.log.leaves import FORM_VERSION, LeafValue, canonical_leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEntry:
    """A token that is signed and waits for its record.

    Attributes:
        record_id: the id of its leaf, as ``new_leaf_id`` makes it.
        request_id: of the request that it answers, as its log line has it.
        actor: who asked for it.
        subject: id of the device or user.
        auth_set: of a device; empty for users.
        name: of a personal access token; empty for others.
        signed_sha256, signature_sha256: lowercase hex.
    """

    record_id: bytes
    request_id: str
    actor: str
    kind: TokenKind
    subject: str
    auth_set: str
    name: str
    jti: str
    key: str
    version_id: int
    version: int
    fingerprint: str
    signed_sha256: str
    signature_sha256: str
    issued_at: datetime
    expires_at: datetime

    @property
    def holder(self) -> str:
        """What its bucket is called: the auth set, or the user."""
        return f"{self.kind.value}:{self.auth_set or self.subject}"


Entry = SignatureEntry | TokenEntry
"""Whatever waits for its record."""


def sha256_hex(raw: bytes) -> str:
    """A digest as records have it."""
    return hashlib.sha256(raw).hexdigest()


def token_leaf(entry: TokenEntry, *, at: datetime) -> Leaf:
    """The record as a leaf; raises ``verifier.errors.LeafMalformed`` for what no caller builds."""
    members: dict[str, LeafValue] = {
        "v": FORM_VERSION,
        "type": LogEvent.TOKEN_ISSUED.value,
        "time": leaf_time(at),
        "id": entry.record_id.hex(),
        "request": entry.request_id,
        "actor": entry.actor,
        "jti": entry.jti,
        "kind": entry.kind.value,
        "subject": entry.subject,
        "key": entry.key,
        "key_version": entry.version,
        "fingerprint": entry.fingerprint,
        "signed_sha256": entry.signed_sha256,
        "signature_sha256": entry.signature_sha256,
        "expires_at": rfc3339(entry.expires_at),
    }
    if entry.auth_set:
        members["auth_set"] = entry.auth_set
    columns = SearchColumns(
        leaf_id=entry.record_id,
        type=LogEvent.TOKEN_ISSUED.value,
        at=at,
        actor=entry.actor,
        key=entry.key,
        key_version=entry.version,
    )
    return Leaf(content=canonical_leaf(members), columns=columns)
