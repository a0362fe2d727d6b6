"""What becomes of a batch of signatures at the moment of recording: decided once more, and against each other.

Whoever stores records reads the present state under the locks of one transaction, lets a ``Batch`` decide each
entry, writes what it gathered, and commits.

1. An entry that was decided under another ``access_revision`` goes back: nothing stale is enforced.
2. Every answer, also one with a signature on record, passes the state of its version *now*. A manifest that was
   recalled is answered with nothing, whatever is on record of it.
3. One manifest has one signature per version. The first bytes win, inside a batch too; who comes second is answered
   with them.
4. Who saw no more than is on record is answered and writes nothing. Who saw more writes a record of its own over the
   same bytes. A further identity that saw no more writes one ``signature-repeated``, once. A record of an emergency is
   worth less than any other, however much was seen: what is approved afterwards gets a record that verifiers believe.
5. Only a new signature counts against the limits, that of the version and those of the identity.
6. A version that is older than the floor at one of its places is refused, a repeat too. What is recorded sets the
   floors at all of them; a repeat that writes nothing, and is above a floor, raises it with a leaf of its own.
7. An approval counts until its end. What else takes one away moves the revision of access.
8. An entry whose ``record_id`` is on record was recorded before its answer was lost: it is answered, never written
   again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from signer.domain.floors import Floor, FloorPlace, VersionClaim, raised, raising_draft, unmet
from signer.domain.keys import Validity, VersionState
from signer.domain.leaves import Leaf
from signer.domain.limits import Counts
from signer.domain.records import (
    Outcome,
    Recorded,
    RecordType,
    Refusal,
    Refused,
    SignatureEntry,
    Stale,
    record_leaf,
)
from signer.domain.requests import Checked
from verifier.errors import LeafMalformed


class MaySign(Protocol):
    """What decides whether a version may sign, its limit apart."""

    @property
    def state(self) -> VersionState:
        """Where it is in its life."""

    @property
    def validity(self) -> Validity:
        """When it may sign."""

    @property
    def last_signed_at(self) -> datetime | None:
        """When it signed last, aware UTC."""


@dataclass(slots=True, kw_only=True)
class VersionNow:
    """A key version as it is under the lock; the last two fields move with the batch."""

    state: VersionState
    validity: Validity
    signature_count: int
    last_signed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """What decides of a record that is there already."""

    index: int
    record_id: bytes
    type: RecordType
    checked: Checked
    identity: str
    at: datetime
    emergency: bool = False

    @property
    def worth(self) -> tuple[bool, Checked]:
        """What makes one record of a signature worth more than another."""
        return not self.emergency, self.checked


class NewSignature(NamedTuple):
    """A signature to be written, in the order of its row; its ``id`` is the index of its first record."""

    id: int
    version_id: int
    manifest_sha256: str
    signature: bytes


@dataclass(slots=True, kw_only=True)
class SignatureOnRecord:
    """A signature with the records about it."""

    id: int
    signature: bytes
    records: list[RecordFacts]

    @property
    def most_seen(self) -> RecordFacts:
        """The record of who saw most of it, in no emergency where there is one."""
        return max((each for each in self.records if each.type is RecordType.SIGNATURE), key=lambda each: each.worth)

    def names(self, identity: str) -> bool:
        """Whether a record names this identity."""
        return any(each.identity == identity for each in self.records)

    def knows(self, record_id: bytes) -> bool:
        """Whether a record has this id."""
        return any(each.record_id == record_id for each in self.records)

    def wrote_first(self, record_id: bytes) -> bool:
        """Whether the signature's first record has this id."""
        return any(each.index == self.id and each.record_id == record_id for each in self.records)


SignatureKey = tuple[int, str]


@dataclass(slots=True, kw_only=True)
class Batch:
    """The state under the locks of one transaction, and what the batch adds to it.

    Attributes:
        revision: the present ``access_revision``.
        size: how many leaves the log has; the next one has this index.
        newest: when the last of them was recorded; None where there is none.
        at: the time of what this batch writes: it never goes back.
        versions: the versions of the entries by id; one that is missing does not exist.
        on_record: the signatures that the entries may meet, by version id and manifest digest.
        floors: at the places of the entries' versions.
        recalled: those of the entries' manifests that were.
        counts: of what the entries' identities have signed, where a limit asks for it.
        new_leaves: everything to be appended, in order.
    """

    revision: int
    size: int
    newest: datetime | None
    versions: Mapping[int, VersionNow]
    on_record: dict[SignatureKey, SignatureOnRecord]
    now: datetime
    tolerance: timedelta
    new_signatures: list[NewSignature] = field(default_factory=list)
    floors: dict[FloorPlace, Floor] = field(default_factory=dict)
    recalled: frozenset[str] = frozenset()
    counts: Counts = field(default_factory=lambda: Counts({}))
    new_leaves: list[Leaf] = field(default_factory=list)
    moved_floors: set[FloorPlace] = field(default_factory=set)
    signed: set[int] = field(default_factory=set)
    at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.at = self.now if self.newest is None else max(self.now, self.newest)

    def standing(self, version_id: int) -> Refusal | None:
        """Why the version may not sign now, its limit apart; None where it may."""
        version = self.versions.get(version_id)
        if version is None:
            return Refusal.NOT_ACTIVE
        reason = refusal(version, self.now, self.tolerance)
        if reason is None and self.newest is not None and self.now + self.tolerance < self.newest:
            return Refusal.CLOCK_BEHIND
        return reason

    def has_room(self, version_id: int) -> bool:
        """Whether the version has not made all the signatures that it may make."""
        version = self.versions[version_id]
        limit = version.validity.signature_limit
        return limit is None or version.signature_count < limit

    def count(self, version_id: int) -> None:
        """Count a new signature of the version."""
        version = self.versions[version_id]
        version.signature_count += 1
        version.last_signed_at = max(self.now, version.last_signed_at or self.now)
        self.signed.add(version_id)

    def append(self, leaf: Leaf) -> int:
        """Have the leaf appended; its index."""
        self.new_leaves.append(leaf)
        index, self.size = self.size, self.size + 1
        return index

    def decide(self, entry: SignatureEntry) -> Outcome:
        """What becomes of the entry. They are decided in their order: each meets what those before it added."""
        if entry.access_revision != self.revision:
            return Stale(access_revision=self.revision)
        if entry.manifest_sha256 in self.recalled:
            return Refused(reason=Refusal.RECALLED)
        reason = self.standing(entry.version_id)
        if reason is not None:
            return Refused(reason=reason)
        found = self.on_record.get((entry.version_id, entry.manifest_sha256))
        below = self._below(entry, found) or self._ended(entry, found)
        if below is not None:
            return below
        try:
            return self._first(entry) if found is None else self._again(entry, found)
        except LeafMalformed:
            return Refused(reason=Refusal.NOT_RECORDABLE)

    def _below(self, entry: SignatureEntry, found: SignatureOnRecord | None) -> Refused | None:
        if entry.claim is None or (found is not None and found.knows(entry.record_id)):
            return None
        below = unmet(entry.claim, entry.key, self.floors)
        if below is None:
            return None
        reason = Refusal.VERSION_STEP_TOO_LARGE if below.too_far else Refusal.VERSION_TOO_OLD
        return Refused(reason=reason, unmet=below)

    def _ended(self, entry: SignatureEntry, found: SignatureOnRecord | None) -> Refused | None:
        if entry.approval is None or (found is not None and found.knows(entry.record_id)):
            return None
        return Refused(reason=Refusal.APPROVAL_ENDED) if self.at >= entry.approval.expires_at else None

    def _first(self, entry: SignatureEntry) -> Outcome:
        if not self.has_room(entry.version_id):
            return Refused(reason=Refusal.LIMIT_REACHED)
        reached = self.counts.reached(entry.identity, entry.key, entry.limits, self.at)
        if reached is not None:
            reason = Refusal.COUNT_REACHED if reached.ends is None else Refusal.RATE_LIMITED
            return Refused(reason=reason, reached=reached)
        new = SignatureOnRecord(id=self.size, signature=entry.signature, records=[])
        self._write(entry, RecordType.SIGNATURE, new)
        self.count(entry.version_id)
        self.counts.add(entry.identity, entry.key, entry.limits, self.at)
        self.new_signatures.append(
            NewSignature(
                id=new.id,
                version_id=entry.version_id,
                manifest_sha256=entry.manifest_sha256,
                signature=entry.signature,
            )
        )
        self.on_record[entry.version_id, entry.manifest_sha256] = new
        return Recorded(signature=new.signature, index=new.id, at=self.at, repeated=False)

    def _again(self, entry: SignatureEntry, found: SignatureOnRecord) -> Outcome:
        if found.wrote_first(entry.record_id):
            return _answer(found, repeated=False)
        if not found.knows(entry.record_id):
            if (entry.emergency is None, entry.checked) > found.most_seen.worth:
                self._write(entry, RecordType.SIGNATURE, found)
            elif not found.names(entry.identity):
                self._write(entry, RecordType.REPEATED, found)
            else:
                self._raise_floors(entry)
        return _answer(found, repeated=True)

    def _write(self, entry: SignatureEntry, kind: RecordType, signature: SignatureOnRecord) -> None:
        # Before anything is counted: an entry that has no form as a record leaves no trace.
        leaf = record_leaf(entry, kind, signature=signature.signature, signature_id=signature.id, at=self.at)
        index = self.append(leaf)
        self._set_floors(entry, index)
        facts = RecordFacts(
            index=index,
            record_id=entry.record_id,
            type=kind,
            checked=entry.checked,
            identity=entry.identity,
            at=self.at,
            emergency=entry.emergency is not None,
        )
        signature.records.append(facts)

    def _set_floors(self, entry: SignatureEntry, index: int) -> None:
        if entry.claim is not None:
            for device, payload in entry.claim.places:
                self._set_floor((entry.key, device, payload), entry.claim, index)

    def _raise_floors(self, entry: SignatureEntry) -> None:
        if entry.claim is not None:
            for place in tuple(raised(entry.claim, entry.key, self.floors)):
                draft = raising_draft(place, self.floors.get(place), entry.claim, actor=entry.identity)
                self._set_floor(place, entry.claim, self.append(draft.leaf(at=self.at)))

    def _set_floor(self, place: FloorPlace, claim: VersionClaim, index: int) -> None:
        self.floors[place] = Floor(order=claim.order, version=claim.version, leaf=index)
        self.moved_floors.add(place)


def _answer(signature: SignatureOnRecord, *, repeated: bool) -> Recorded:
    most = signature.most_seen
    return Recorded(signature=signature.signature, index=most.index, at=most.at, repeated=repeated)


def refusal(version: MaySign, now: datetime, tolerance: timedelta) -> Refusal | None:
    """Why the version may not sign at ``now``, its limit apart; None where it may."""
    validity = version.validity
    if version.state is not VersionState.ACTIVE:
        return Refusal.NOT_ACTIVE
    if validity.not_before is not None and now < validity.not_before:
        return Refusal.NOT_YET_VALID
    if validity.not_after is not None and now > validity.not_after:
        return Refusal.EXPIRED
    if version.last_signed_at is not None and now + tolerance < version.last_signed_at:
        return Refusal.CLOCK_BEHIND
    return None
