"""Leaves of the log: everything that is put on record, as a closed set of types, each with its one serialiser.

1. A leaf is a canonical JSON document (``verifier.log.leaves``). Its bytes are the record; whatever stands beside them
   in a database is drawn from them by ``search_columns`` and compared with them before it is believed.
2. Its size is bounded whatever it tells of: a member that is too long stands there as its digest and its length.
3. A leaf that changes who may do what carries the revision of access and the digest over all rows that give power,
   before and after: so the log says what those rows have to be.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from signer.domain.events import Event, EventType
from verifier.errors import LeafMalformed
from verifier.log.leaves import FORM_VERSION, LeafValue, canonical_leaf, parsed_leaf

LEAF_ID_BYTES = 16
_MOMENT_BYTES = 6
_NANOSECONDS = 1_000_000  # in a millisecond
# As they stand in JSON. Five such members and the fixed ones fit into the 16 KiB of a leaf.
MAX_MEMBER_BYTES = 2048
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
# Whose texts are kept: all that is recorded together has one time.
TIMES = 16


class LogEvent(StrEnum):
    """What happened to the log itself, to signatures, and to what asked for them."""

    LOG_CREATED = "log-created"
    LOG_KEY_CHANGED = "log-key-changed"
    LOG_CONTINUED = "log-continued"
    EVENT_IMPORTED = "event-imported"
    ACCESS_CHANGED = "access-changed"  # rows that give power were changed, and no event tells of it
    SIGNATURE = "signature"
    SIGNATURE_REPEATED = "signature-repeated"
    SIGNATURE_REFUSED = "signature-refused"
    RELEASE_RECALLED = "release-recalled"
    TOKEN_ISSUED = "token-issued"  # noqa: S105  (a name, no secret)


LeafType = LogEvent | EventType
# The only leaves that begin a log, or begin one again: nothing before them says what access was.
BEGINNINGS = frozenset({LogEvent.LOG_CREATED, LogEvent.LOG_CONTINUED})


class SearchColumns(NamedTuple):
    """What stands beside a leaf so that it can be found. None: the leaf does not say."""

    leaf_id: bytes
    type: str
    at: datetime
    actor: str
    key: str | None = None
    key_version: int | None = None
    artifact: str | None = None
    manifest_sha256: str | None = None
    checked: str | None = None
    emergency: bool = False


SEARCHED = SearchColumns._fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A leaf to be appended: its bytes, and what stands beside them.

    Attributes:
        signature_id: of the signature that it is about: the index of that signature's first leaf.
    """

    content: bytes
    columns: SearchColumns
    signature_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChange:
    """How a transaction changed what gives power: digests over all its rows; ``before`` is None where a log begins."""

    revision: int
    before: str | None
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafDraft:
    """What a leaf will say. ``members``: without those that every leaf has."""

    type: LeafType
    actor: str
    members: Mapping[str, LeafValue]
    access: AccessChange | None = None

    def leaf(self, *, at: datetime) -> Leaf:
        """The leaf, recorded at this moment; raises ``LeafMalformed`` for what no caller builds."""
        leaf_id = new_leaf_id()
        members = {
            **self.members,
            **_access_members(self.access),
            "v": FORM_VERSION,
            "type": self.type.value,
            "time": leaf_time(at),
            "id": leaf_id.hex(),
            "actor": self.actor,
        }
        return Leaf(content=canonical_leaf(members), columns=_columns(members))


def new_leaf_id() -> bytes:
    """16 bytes that no other leaf has: milliseconds, and ten random ones.

    So ids that are made one after another stand together in the index that keeps them apart, and a commit touches one
    page of it instead of one for each leaf. Nothing reads the time in them, and nothing is decided by it.
    """
    milliseconds = time.time_ns() // _NANOSECONDS % (1 << 8 * _MOMENT_BYTES)
    return milliseconds.to_bytes(_MOMENT_BYTES, "big") + os.urandom(LEAF_ID_BYTES - _MOMENT_BYTES)


@lru_cache(maxsize=TIMES)
def leaf_time(at: datetime) -> str:
    """A moment as leaves have it: RFC 3339 in UTC with six digits, whatever they are."""
    return at.astimezone(UTC).strftime(_TIME)


def read_leaf_time(text: str) -> datetime:
    """The moment, aware UTC; raises ``LeafMalformed`` unless ``text`` is its one spelling."""
    try:
        at = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise LeafMalformed(problem="its time is none") from None
    if leaf_time(at) != text:
        raise LeafMalformed(problem="its time is not in the one spelling that leaves have")
    return at


def bounded(name: str, value: LeafValue) -> dict[str, LeafValue]:
    """The member; where it is too long for a leaf, its digest and its length in its place."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    if len(text) <= MAX_MEMBER_BYTES:
        return {name: value}
    return {f"{name}_sha256": hashlib.sha256(text).hexdigest(), f"{name}_bytes": len(text)}


def search_columns(leaf: bytes) -> SearchColumns:
    """What has to stand beside a leaf; raises ``LeafMalformed`` for bytes that are none of ours."""
    return _columns(parsed_leaf(leaf))


def difference(leaf: bytes, beside: Mapping[str, Any]) -> str | None:
    """What is wrong with the columns beside a leaf, given by their names; None where they say what it says."""
    try:
        told = search_columns(leaf)
    except LeafMalformed as error:
        return error.problem
    for name in SEARCHED:
        found = bytes(beside[name]) if name == "leaf_id" else beside[name]
        if found != getattr(told, name):
            return f"the column {name} does not say what the leaf says"
    return None


def event_draft(event: Event, *, access: AccessChange | None = None) -> LeafDraft:
    """The event as a leaf."""
    members: dict[str, LeafValue] = {}
    if event.key is not None:
        members["key"] = event.key
    if event.version is not None:
        members["key_version"] = event.version
    for name, facts in (("before", event.before), ("after", event.after)):
        members |= bounded(name, _plain(facts))
    return LeafDraft(type=event.type, actor=event.actor, members=members, access=access)


def imported_draft(event: Event, *, event_id: int, at: datetime) -> LeafDraft:
    """An event of the time before the log, as a leaf that tells when it was."""
    draft = event_draft(event)
    members = {**draft.members, "event": event.type.value, "event_id": event_id, "event_time": leaf_time(at)}
    return replace(draft, type=LogEvent.EVENT_IMPORTED, members=members)


def told_event(leaf: bytes) -> tuple[datetime, Event] | None:
    """The event that a leaf tells of, and when it happened; None for leaves that tell of none."""
    members: dict[str, Any] = parsed_leaf(leaf)
    imported = members["type"] == LogEvent.EVENT_IMPORTED
    kind, time = ("event", "event_time") if imported else ("type", "time")
    if members[kind] not in _EVENT_TYPES:
        return None
    event = Event(
        type=EventType(members[kind]),
        actor=members["actor"],
        key=members.get("key"),
        version=members.get("key_version"),
        before=members.get("before", {}),
        after=members.get("after", {}),
    )
    return read_leaf_time(members[time]), event


_EVENT_TYPES = frozenset(kind.value for kind in EventType)


def _access_members(access: AccessChange | None) -> dict[str, LeafValue]:
    if access is None:
        return {}
    before: dict[str, LeafValue] = {} if access.before is None else {"access_before": access.before}
    return {**before, "access_revision": access.revision, "access_sha256": access.after}


def _columns(members: Mapping[str, Any]) -> SearchColumns:
    try:
        return SearchColumns(
            leaf_id=bytes.fromhex(members["id"]),
            type=members["type"],
            at=read_leaf_time(members["time"]),
            actor=members["actor"],
            key=members.get("key"),
            key_version=members.get("key_version"),
            artifact=members.get("artifact"),
            manifest_sha256=members.get("manifest_sha256"),
            checked=members.get("checked"),
            emergency=members.get("emergency", False),
        )
    except (KeyError, TypeError, ValueError):
        raise LeafMalformed(problem="a member that every leaf has is not there, or not what it should be") from None


def _plain(value: object) -> Any:
    """The facts of an event as leaves can hold them: what is not set is left out."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
