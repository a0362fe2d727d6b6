"""Who may have a token now, asked inside the transaction that records it.

Whatever takes this from a subject locks the head of the log first, as that transaction does: so one of the two is over
before the other looks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from sqlalchemy import Connection, select

from signer.domain.devices import AuthStatus
from signer.domain.token_claims import TokenKind
from signer.domain.token_recording import Holder
from signer.domain.token_records import TokenEntry
from signer.storage.device_tables import auth_sets, devices
from signer.storage.record_statements import Statements
from signer.storage.user_rows import holds_user

Holders = Callable[[Connection, Statements, Collection[TokenEntry]], set[Holder]]


def accepted_auth_sets(connection: Connection, _sql: Statements, entries: Collection[TokenEntry]) -> set[Holder]:
    """Those of the entries' auth sets that are accepted, of devices that are not being decommissioned."""
    query = (
        select(auth_sets.c.device_id, auth_sets.c.id, auth_sets.c.status, devices.c.decommissioning)
        .join(devices, devices.c.id == auth_sets.c.device_id)
        .where(auth_sets.c.id.in_({entry.auth_set for entry in entries}))
    )
    # The status is looked at here: a database that is asked for it goes through all sets that have it.
    return {
        (TokenKind.DEVICE.value, row.device_id, row.id)
        for row in connection.execute(query)
        if row.status == AuthStatus.ACCEPTED.value and not row.decommissioning
    }


def enabled_users(connection: Connection, _sql: Statements, entries: Collection[TokenEntry]) -> set[Holder]:
    """Those of the entries' users who may log in."""
    return {(TokenKind.USER.value, entry.subject, "") for entry in entries if holds_user(connection, entry.subject)}


HOLDERS: Mapping[TokenKind, Holders] = MappingProxyType(
    {TokenKind.DEVICE: accepted_auth_sets, TokenKind.USER: enabled_users}
)


def holders(connection: Connection, sql: Statements, entries: Collection[TokenEntry]) -> set[Holder]:
    """Who of the entries' subjects may have a token now."""
    found: set[Holder] = set()
    for kind, asked in HOLDERS.items():
        of_kind = [entry for entry in entries if entry.kind is kind]
        if of_kind:
            found |= asked(connection, sql, of_kind)
    return found
