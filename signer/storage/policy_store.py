"""Policies in SQL: revisions that are only ever added, the newest of which is in force.

1. A text is compared with its digest whenever it is read: the digest is what the log tells of.
2. What is applied was made for the revision before it, or is refused: no change of another's is lost unseen.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from signer.domain.events import Event
from signer.errors import PolicyChanged, PolicyMissing, PolicyRevisionNotFound, PolicyTampered
from signer.services.access_ports import NewPolicy, StoredPolicy
from signer.services.approval_ports import Permit
from signer.services.ports import Clock
from signer.storage.access import move_access_revision
from signer.storage.access_tables import policy_revisions
from signer.storage.database import Database, retried
from signer.storage.log_transaction import logged
from signer.storage.permits import permitted

_NEWEST = select(policy_revisions).order_by(policy_revisions.c.revision.desc()).limit(1)


def text_digest(text: str) -> str:
    """What a policy is called by its text."""
    return hashlib.sha256(text.encode()).hexdigest()


def add_revision(connection: Connection, number: int, policy: NewPolicy, at: Any) -> None:
    """Write the row, in the caller's transaction."""
    row = {
        "revision": number,
        "text": policy.text,
        "sha256": policy.sha256,
        "applied_at": at,
        "actor": policy.actor,
        "reason": policy.reason,
        "break_glass": policy.break_glass,
    }
    connection.execute(insert(policy_revisions).values(row))
    move_access_revision(connection)


def newest_revision(connection: Connection) -> int:
    """The number of the policy in force; 0 where there is none."""
    return connection.execute(select(func.max(policy_revisions.c.revision))).scalar() or 0


class SqlPolicyStore:
    """``services.access_ports.PolicyStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def current(self) -> StoredPolicy:
        """The policy in force; raises ``PolicyMissing`` or ``PolicyTampered``."""
        with self._database.reading() as connection:
            row = connection.execute(_NEWEST).one_or_none()
        if row is None:
            raise PolicyMissing
        return _stored(row)

    def revision(self, number: int) -> StoredPolicy:
        """One that was applied; raises ``PolicyRevisionNotFound``, ``PolicyMissing`` or ``PolicyTampered``."""
        with self._database.reading() as connection:
            row = connection.execute(
                select(policy_revisions).where(policy_revisions.c.revision == number)
            ).one_or_none()
            newest = newest_revision(connection)
        if row is None and not newest:
            raise PolicyMissing
        if row is None:
            raise PolicyRevisionNotFound(revision=number, newest=newest)
        return _stored(row)

    def revisions(self) -> tuple[StoredPolicy, ...]:
        """All, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(policy_revisions).order_by(policy_revisions.c.revision)).all()
        return tuple(_stored(row) for row in rows)

    @retried
    def apply(self, policy: NewPolicy, event: Event, *, permit: Permit | None = None) -> StoredPolicy:
        """Put it in force; raises ``PolicyChanged`` or ``AccessMovedError``."""
        with logged(self._database, self._clock) as log:
            event = permitted(log, permit, event)
            found = newest_revision(log.connection)
            if found != policy.expected:
                raise PolicyChanged(expected=policy.expected, found=found)
            add_revision(log.connection, found + 1, policy, self._clock())
            log.tell(event)
        return self.revision(found + 1)


def _stored(row: Row[Any]) -> StoredPolicy:
    found = text_digest(row.text)
    if found != row.sha256:
        raise PolicyTampered(revision=row.revision, expected=row.sha256, found=found)
    return StoredPolicy(
        revision=row.revision,
        text=row.text,
        sha256=row.sha256,
        applied_at=row.applied_at,
        actor=row.actor,
        reason=row.reason,
        break_glass=row.break_glass,
    )
