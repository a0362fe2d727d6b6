"""Tokens of users that another server issued, in SQL: each that was ended is a row until it would have ended itself.

1. Such a row's ``jti`` is none that the service gives: a digest of whose the token is and what it was called there.
2. Whoever has a copy of that server's key can make as many tokens as they like. Of a user only so many rows are kept;
   the next one ends all of theirs, as another password does.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from signer.domain.events import EventType
from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.domain.user_events import user_event
from signer.services.ports import Clock
from signer.storage.database import Database, retried
from signer.storage.device_state import move_device_revision
from signer.storage.device_tables import FORMER
from signer.storage.log_transaction import logged
from signer.storage.tables import keys, versions
from signer.storage.token_tables import issued_tokens
from signer.storage.user_rows import user_of
from signer.storage.user_tables import users

PREFIX = "former:"
DIGEST_CHARACTERS = 29  # with the prefix what the column holds
MAX_ENDED = 100


class SqlFormerTokenEndings:
    """``services.former_sessions.FormerTokenEndings`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock, most: int = MAX_ENDED) -> None:
        self._database = database
        self._clock = clock
        self._most = most

    @retried
    def end(self, token: VerifiedToken) -> bool:
        """As the port."""
        mine = (users.c.id == token.subject, users.c.revision == FORMER)
        with logged(self._database, self._clock) as log:
            row = log.connection.execute(select(users).where(*mine).with_for_update()).one_or_none()
            if row is None or has_ended(log.connection, token):
                return False
            revision = move_device_revision(log.connection)
            too_many = _ended(log.connection, token.subject) >= self._most
            if too_many:
                log.connection.execute(update(users).where(*mine).values(revision=revision))
            else:
                ended = _row(log.connection, token, self._clock(), revision)
                log.connection.execute(insert(issued_tokens).values(ended))
            because, user = "too-many" if too_many else "logged-out", user_of(row)
            actor = user.identity_name
            log.tell(user_event(EventType.USER_TOKEN_ENDED, user, actor=actor, jti=token.jti, because=because))
        return True


def has_ended(connection: Connection, token: VerifiedToken) -> bool:
    """Whether a token of a user was ended by itself."""
    row = connection.execute(select(issued_tokens.c.jti).where(issued_tokens.c.jti == _name(token)))
    return row.first() is not None


def _name(token: VerifiedToken) -> str:
    # What was signed has no line end in either of the two.
    digest = hashlib.sha256(f"{token.subject}\n{token.jti}".encode()).hexdigest()
    return PREFIX + digest[:DIGEST_CHARACTERS]


def _ended(connection: Connection, user_id: str) -> int:
    of_user = (issued_tokens.c.subject == user_id, issued_tokens.c.jti.startswith(PREFIX))
    return connection.execute(select(func.count()).select_from(issued_tokens).where(*of_user)).scalar_one()


def _row(connection: Connection, token: VerifiedToken, at: datetime, revision: int) -> dict[str, Any]:
    version = (
        select(versions.c.id)
        .join(keys, keys.c.id == versions.c.key_id)
        .where(keys.c.name == token.key, versions.c.number == token.version)
    )
    return {
        "jti": _name(token),
        "kind": TokenKind.USER.value,
        "subject": token.subject,
        "version_id": connection.execute(version).scalar_one(),
        "issued_at": token.issued_at,
        "expires_at": token.expires_at,
        "revoked_at": at,
        "revision": revision,
    }
