"""What becomes of tokens at the moment of recording: decided once more, in the batch of the signatures.

1. The version that signed is active now, and its key is of the token's purpose.
2. The auth set is accepted now, or the user may log in.
3. An auth set, or a user, gets so many tokens and no more.
4. A token that is on record already was recorded before its answer was lost: it is answered, never written again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from signer.domain.keys import Purpose
from signer.domain.recording import Batch
from signer.domain.records import Outcome, Recorded, Refusal, Refused
from signer.domain.token_buckets import RULES, Bucket, Wait, taken
from signer.domain.token_records import TokenEntry, token_leaf
from verifier.errors import LeafMalformed

# Kind, subject and auth set (empty for users).
Holder = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFacts:
    """What a version is for life."""

    purpose: Purpose
    key: str
    number: int
    fingerprint: str


@dataclass(slots=True, kw_only=True)
class TokenBatch:
    """The state of tokens under the locks of the same transaction, and what the batch adds to it.

    Attributes:
        batch: what the leaves and the versions' counts go through.
        versions: by id; one that is missing does not exist.
        holders: who of the entries' subjects may have tokens now.
        known: ``jti`` of those of the entries that are on record.
        buckets: by the entries' ``holder``.
        new: what is to be written.
        moved: buckets that are to be written.
    """

    batch: Batch
    versions: Mapping[int, VersionFacts]
    holders: Collection[Holder]
    known: set[str]
    buckets: dict[str, Bucket]
    new: list[TokenEntry] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)

    def decide(self, entry: TokenEntry) -> Outcome:
        """What becomes of the entry."""
        batch = self.batch
        if entry.jti in self.known:
            # Whatever covers the log as it is now covers it.
            return Recorded(signature=b"", index=batch.size - 1, at=batch.at, repeated=True)
        reason = self._version_refusal(entry)
        if reason is not None:
            return Refused(reason=reason)
        if (entry.kind.value, entry.subject, entry.auth_set) not in self.holders:
            return Refused(reason=Refusal.SUBJECT_REFUSED)
        bucket = taken(self.buckets.get(entry.holder), RULES[entry.kind], now=batch.at)
        if isinstance(bucket, Wait):
            return Refused(reason=Refusal.TOKENS_LIMITED, retry_after=bucket.seconds)
        try:
            leaf = token_leaf(entry, at=batch.at)
        except LeafMalformed:
            return Refused(reason=Refusal.NOT_RECORDABLE)
        return self._record(entry, bucket, batch.append(leaf))

    def _version_refusal(self, entry: TokenEntry) -> Refusal | None:
        facts = self.versions.get(entry.version_id)
        told = VersionFacts(
            purpose=entry.kind.purpose, key=entry.key, number=entry.version, fingerprint=entry.fingerprint
        )
        # Nothing is signed by a key of another purpose; and if it were, it is not recorded, and so not given out.
        if facts != told:
            return Refusal.NOT_ACTIVE
        reason = self.batch.standing(entry.version_id)
        if reason is None and not self.batch.has_room(entry.version_id):
            return Refusal.LIMIT_REACHED
        return reason

    def _record(self, entry: TokenEntry, bucket: Bucket, index: int) -> Recorded:
        self.batch.count(entry.version_id)
        self.buckets[entry.holder] = bucket
        self.moved.add(entry.holder)
        self.known.add(entry.jti)
        self.new.append(entry)
        return Recorded(signature=b"", index=index, at=self.batch.at, repeated=False)
