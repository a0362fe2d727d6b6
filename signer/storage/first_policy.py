"""The first revision of the policy: what the roles of API tokens allowed before there were rules.

It is written with the upgrade of a database, in the same transaction. Where there is a log, its leaf says so; where
there is none, the log's first leaf covers it like everything else that gives power.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, text

from signer.domain.access.presets import ROLES_TEXT
from signer.domain.access.reading import parse_policy
from signer.domain.events import Event
from signer.domain.policy_events import applied_event
from signer.services.access_ports import NewPolicy
from signer.services.ports import Clock
from signer.storage.access_tables import policy_revisions
from signer.storage.log_append import lock_head
from signer.storage.log_transaction import LogTransaction, compare_access
from signer.storage.policy_store import add_revision, newest_revision, text_digest

ACTOR = "artifact-signer database upgrade"
REASON = "the roles of API tokens, as rules"


def first_policy(clock: Clock) -> Callable[[Connection], None]:
    """Writes the policy where there is none; for ``Database.upgrade``. Raises ``AccessTampered``."""

    def write(connection: Connection) -> None:
        if newest_revision(connection):
            return
        head = lock_head(connection)
        if head.size:
            compare_access(connection, head)
        policy = NewPolicy(
            text=ROLES_TEXT, sha256=text_digest(ROLES_TEXT), expected=0, actor=ACTOR, reason=REASON, break_glass=False
        )
        add_revision(connection, 1, policy, clock())
        if head.size:
            log = LogTransaction(connection=connection, head=head, clock=clock)
            log.tell(_event(policy))
            log.finish()

    return write


def forget_first_policy(connection: Connection) -> None:
    """Take the first policy out of a PostgreSQL database that holds nothing else, for a copy to be put into it."""
    connection.execute(text("ALTER TABLE policy_revisions DISABLE TRIGGER policy_revisions_keep"))
    connection.execute(delete(policy_revisions).where(policy_revisions.c.actor == ACTOR))
    connection.execute(text("ALTER TABLE policy_revisions ENABLE TRIGGER policy_revisions_keep"))


def _event(policy: NewPolicy) -> Event:
    return applied_event(
        revision=1,
        text=policy.text,
        sha256=policy.sha256,
        rules=len(parse_policy(policy.text).rules),
        actor=policy.actor,
        reason=policy.reason,
        break_glass=policy.break_glass,
    )
