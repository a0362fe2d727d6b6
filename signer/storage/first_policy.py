"""The first revision of the policy: what the roles of API tokens allowed before there were rules.

It is written with the upgrade of a database, in the same transaction. Where there is a log, its leaf says so; where
there is none, the log's first leaf covers it like everything else that gives power.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, text

from signer.domain.access.presets import ROLES_TEXT
from signer.domain.events import Event, EventType
from signer.domain.leaves import bounded
from signer.services.access_ports import NewPolicy
from signer.services.ports import Clock
from signer.storage.access_tables import policy_revisions
from signer.storage.log_append import lock_head
from signer.storage.log_transaction import LogTransaction, compare_access
from signer.storage.policy_store import add_revision, newest_revision, text_digest
from verifier.log.leaves import LeafValue

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
            log.tell(applied_event(policy, 1, rules=ROLES_TEXT.count("[[rules]]")))
            log.finish()

    return write


def forget_first_policy(connection: Connection) -> None:
    """Take the first policy out of a PostgreSQL database that holds nothing else, for a copy to be put into it."""
    connection.execute(text("ALTER TABLE policy_revisions DISABLE TRIGGER policy_revisions_keep"))
    connection.execute(delete(policy_revisions).where(policy_revisions.c.actor == ACTOR))
    connection.execute(text("ALTER TABLE policy_revisions ENABLE TRIGGER policy_revisions_keep"))


def applied_event(policy: NewPolicy, revision: int, *, rules: int) -> Event:
    """What tells of a policy; its text is in it where it is short enough for a leaf."""
    before = {} if revision == 1 else {"revision": revision - 1}
    after: dict[str, LeafValue] = {
        "revision": revision,
        "sha256": policy.sha256,
        "bytes": len(policy.text.encode()),
        "rules": rules,
        "reason": policy.reason,
    }
    if policy.break_glass:
        after["break_glass"] = True
    with_text = {**after, "text": policy.text}
    if "after" in bounded("after", with_text):
        after = with_text
    return Event(type=EventType.POLICY_APPLIED, actor=policy.actor, key=None, version=None, before=before, after=after)
