"""Making a change that was permitted: at the revision of access at which it was, its approval used up with it."""

from __future__ import annotations

from dataclasses import replace

from signer.domain.events import Event
from signer.services.approval_ports import AccessMovedError, Permit
from signer.storage.access import access_revision
from signer.storage.approval_store import forget
from signer.storage.log_transaction import LogTransaction


def permitted(log: LogTransaction, permit: Permit | None, event: Event) -> Event:
    """The event of the change, which names the approval; before anything is changed in the transaction.

    Raises ``AccessMovedError``. What takes approvals away moves the revision; expiry alone does not, and is asked for
    here. ``permit``: None where nobody was to be asked.
    """
    if permit is None:
        return event
    if access_revision(log.connection) != permit.revision:
        raise AccessMovedError
    if permit.approval is None:
        return event
    used = forget(log.connection, permit.approval)
    if used is None or used.expires_at <= log.clock():
        raise AccessMovedError
    return replace(event, after={**event.after, "approval": permit.approval})
