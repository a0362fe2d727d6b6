"""The beginning of a log: its first leaf, and what was recorded before there was one, in one transaction."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from signer.domain.events import Event
from signer.domain.leaves import (
    AccessChange,
    Leaf,
    LeafDraft,
    LogEvent,
    imported_draft,
    leaf_time,
    search_columns,
)
from signer.services.ports import Clock, LogHead
from signer.storage.access import access_digest, access_revision
from signer.storage.database import Database
from signer.storage.event_reader import recorded_event
from signer.storage.log_append import append, lock_head
from signer.storage.tables import events_before_log, records_before_log, signatures, versions
from verifier.log import canonical_leaf, parsed_leaf
from verifier.log.leaves import LeafValue


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStart:
    """What became of a call: ``begun`` is False where there was a log already, and nothing was done."""

    head: LogHead
    begun: bool


def start_log(database: Database, *, clock: Clock, actor: str, members: Mapping[str, LeafValue]) -> LogStart:
    """Begin the log with a leaf ``log-created`` that says ``members`` (origin and keys), if there is none yet.

    What was recorded before follows it, events and signatures, under the time at which they come into the log, each
    with its own time beside that.
    """
    with database.writing() as connection:
        head = lock_head(connection)
        if head.size:
            return LogStart(head=head, begun=False)
        digest = access_digest(connection)
        access = AccessChange(revision=access_revision(connection), before=None, after=digest)
        at = clock()
        created = LeafDraft(type=LogEvent.LOG_CREATED, actor=actor, members=dict(members), access=access)
        leaves = [created.leaf(at=at), *_imported_events(connection, at)]
        head = append(connection, head, leaves, access_sha256=digest)
        head = _import_records(connection, head, at)
        connection.execute(delete(events_before_log))
        connection.execute(delete(records_before_log))
    return LogStart(head=head, begun=True)


def _imported_events(connection: Connection, at: datetime) -> list[Leaf]:
    rows = connection.execute(select(events_before_log).order_by(events_before_log.c.id))
    recorded = [recorded_event(row) for row in rows]
    pinned = connection.execute(select(versions.c.fingerprint, versions.c.spki).where(versions.c.spki.is_not(None)))
    keys = {row.fingerprint: base64.b64encode(bytes(row.spki)).decode("ascii") for row in pinned}
    return [
        imported_draft(_with_public_key(each.event, keys), event_id=each.id, at=each.at).leaf(at=at)
        for each in recorded
    ]


def _with_public_key(event: Event, keys: Mapping[str, str]) -> Event:
    """Events of earlier releases name a public key by its digest only; whoever reads the log needs the key."""
    fingerprint = event.after.get("fingerprint")
    if not isinstance(fingerprint, str) or fingerprint not in keys:
        return event
    return replace(event, after={**event.after, "public_key": keys[fingerprint]})


def _import_records(connection: Connection, head: LogHead, at: datetime) -> LogHead:
    """Signatures with the leaves about them, each signature under the index of its first leaf."""
    rows = connection.execute(select(records_before_log).order_by(records_before_log.c.id)).all()
    ids: dict[tuple[int, str], int] = {}
    leaves: list[Leaf] = []
    for index, row in enumerate(rows, head.size):
        place = (row.version_id, row.manifest_sha256)
        if place not in ids:
            ids[place] = index
            connection.execute(insert(signatures).values(_signature(row, index)))
        leaves.append(_imported_record(row, ids[place], at))
    return append(connection, head, leaves)


def _signature(row: Row[Any], index: int) -> dict[str, Any]:
    return {
        "id": index,
        "version_id": row.version_id,
        "manifest_sha256": row.manifest_sha256,
        "signature": row.signature,
    }


def _imported_record(row: Row[Any], signature_id: int, at: datetime) -> Leaf:
    members = {**parsed_leaf(bytes(row.document)), "time": leaf_time(at), "recorded": leaf_time(row.at)}
    content = canonical_leaf(members)
    return Leaf(content=content, columns=search_columns(content), signature_id=signature_id)
