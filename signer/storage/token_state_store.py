"""States of tokens in SQL: of one, and of whom something is newer than a revision."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, select, union

from signer.domain.devices import AuthStatus
from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.errors import TokenRefusal
from signer.services.token_state_ports import StateChanges, TokenStanding
from signer.storage.database import Database
from signer.storage.device_state import device_revision
from signer.storage.device_tables import FORMER, auth_sets, devices
from signer.storage.former_endings import has_ended
from signer.storage.token_tables import CHANGED, issued_tokens
from signer.storage.user_rows import holds_user
from signer.storage.user_tables import users

# More subjects than these are not named one by one.
MAX_SUBJECTS = 1000


class SqlTokenStateStore:
    """``services.token_state_ports.TokenStateStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, max_subjects: int = MAX_SUBJECTS) -> None:
        self._database = database
        self._max_subjects = max_subjects

    def standing(self, token: VerifiedToken) -> TokenStanding:
        """As the port."""
        with self._database.snapshot() as connection:
            refusal = _refusal_of_former(connection, token) if token.former else _refusal_of_token(connection, token)
            if refusal is not None:
                return TokenStanding(refusal=refusal)
            return _of_user(connection, token) if token.kind is TokenKind.USER else _of_device(connection, token)

    def changes(self, since: int) -> StateChanges:
        """As the port."""
        with self._database.snapshot() as connection:
            revision = device_revision(connection)
            found = connection.execute(_changed(since).limit(self._max_subjects + 1))
            subjects = frozenset(str(row.subject) for row in found)
        too_many = len(subjects) > self._max_subjects
        return StateChanges(revision=revision, subjects=None if too_many else subjects)


def _refusal_of_token(connection: Connection, token: VerifiedToken) -> TokenRefusal | None:
    query = select(issued_tokens.c.revoked_at).where(
        issued_tokens.c.jti == token.jti,
        issued_tokens.c.kind == token.kind.value,
        issued_tokens.c.subject == token.subject,
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return TokenRefusal.NOT_ON_RECORD
    return None if row.revoked_at is None else TokenRefusal.REVOKED


def _refusal_of_former(connection: Connection, token: VerifiedToken) -> TokenRefusal | None:
    """It holds of whom came from the server that issued it, until it, or anything, is taken from them, for ever."""
    table, row_id = (users, token.subject) if token.kind is TokenKind.USER else (auth_sets, token.auth_set)
    revision = connection.execute(select(table.c.revision).where(table.c.id == row_id)).scalar_one_or_none()
    if revision is None or revision == 0:
        # As if it were unknown: nothing tells when somebody is imported.
        return TokenRefusal.NOT_ON_RECORD
    ended = revision != FORMER or (token.kind is TokenKind.USER and has_ended(connection, token))
    return TokenRefusal.REVOKED if ended else None


def _of_user(connection: Connection, token: VerifiedToken) -> TokenStanding:
    holds = holds_user(connection, token.subject)
    return TokenStanding(refusal=None if holds else TokenRefusal.USER_DISABLED)


def _of_device(connection: Connection, token: VerifiedToken) -> TokenStanding:
    query = (
        select(auth_sets.c.status, auth_sets.c.pubkey_sha256, auth_sets.c.client_ca, devices.c.decommissioning)
        .join(devices, devices.c.id == auth_sets.c.device_id)
        .where(auth_sets.c.id == token.auth_set, devices.c.id == token.subject)
    )
    row = connection.execute(query).one_or_none()
    if row is None or row.decommissioning:
        return TokenStanding(refusal=TokenRefusal.DEVICE_GONE)
    accepted = row.status == AuthStatus.ACCEPTED.value
    refusal = None if accepted else TokenRefusal.AUTH_SET_NOT_ACCEPTED
    return TokenStanding(refusal=refusal, key_sha256=row.pubkey_sha256, client_ca=row.client_ca)


def _changed(since: int) -> Select[Any]:
    """The subjects, each once."""
    parts = (
        (issued_tokens, issued_tokens.c.subject),
        (auth_sets, auth_sets.c.device_id),
        (devices, devices.c.id),
        (users, users.c.id),
    )
    changed = union(*(_newer(table, subject, since) for table, subject in parts)).subquery()
    return select(changed.c.subject)


def _newer(table: Table, subject: ColumnElement[str], since: int) -> Select[Any]:
    # The indexes hold rows with a revision alone, and are used by queries that say so.
    return select(subject.label("subject")).where(CHANGED, table.c.revision > since)
