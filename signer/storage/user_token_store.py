"""The tokens of users in SQL, as far as they are on record: whose one is, which hold, and the end of one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from signer.domain.events import Event
from signer.domain.token_claims import TokenKind
from signer.services.ports import Clock
from signer.services.user_ports import PersonalToken, TokenHolder
from signer.storage.access import move_access_revision
from signer.storage.database import Database, retried
from signer.storage.log_transaction import logged
from signer.storage.token_tables import issued_tokens
from signer.storage.user_rows import end_token, may_log_in, user_of
from signer.storage.user_tables import token_uses, users

# Uses closer together than this are one.
USE_RESOLUTION = timedelta(seconds=50)
PURGED_AT_ONCE = 50
_OF_USERS = issued_tokens.c.kind == TokenKind.USER.value


class SqlUserTokenStore:
    """``services.user_ports.UserTokenStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def holder(self, jti: str, user_id: str) -> TokenHolder | None:
        """Whose it is; None where it has ended, or the user or the person is disabled."""
        token = select(issued_tokens).where(
            _OF_USERS,
            issued_tokens.c.jti == jti,
            issued_tokens.c.subject == user_id,
            issued_tokens.c.revoked_at.is_(None),
        )
        with self._database.snapshot() as connection:
            found = connection.execute(token).one_or_none()
            row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
            if found is None or row is None or not may_log_in(connection, row):
                return None
            return TokenHolder(user=user_of(row), name=found.name)

    def personal_tokens(self, user_id: str) -> tuple[PersonalToken, ...]:
        """Those that hold, the oldest first."""
        query = (
            select(issued_tokens, token_uses.c.last_used_at)
            .outerjoin(token_uses, token_uses.c.jti == issued_tokens.c.jti)
            .where(
                _OF_USERS,
                issued_tokens.c.subject == user_id,
                issued_tokens.c.name.is_not(None),
                issued_tokens.c.revoked_at.is_(None),
                issued_tokens.c.expires_at > self._clock(),
            )
            .order_by(issued_tokens.c.issued_at, issued_tokens.c.jti)
        )
        with self._database.reading() as connection:
            return tuple(
                PersonalToken(
                    jti=row.jti,
                    name=row.name,
                    created_at=row.issued_at,
                    expires_at=row.expires_at,
                    last_used_at=row.last_used_at,
                )
                for row in connection.execute(query)
            )

    @retried
    def end(self, jti: str, user_id: str, event: Event, *, personal: bool = False) -> bool:
        """Let one token prove nothing any more; False where it did not, or ``personal`` is asked for and it is none."""
        query = select(issued_tokens.c.name).where(
            _OF_USERS, issued_tokens.c.jti == jti, issued_tokens.c.subject == user_id
        )
        with logged(self._database, self._clock) as log:
            row = log.connection.execute(query).one_or_none()
            if row is None or (personal and row.name is None):
                return False
            if not end_token(log.connection, jti, self._clock()):
                return False
            move_access_revision(log.connection)
            log.tell(event)
        return True

    def note_uses(self, token_ids: Collection[str], at: datetime) -> None:
        """The tokens were used until now; written only where what is on record is about a minute old."""
        with self._database.writing() as connection:
            for jti in sorted(token_ids):
                _note_use(connection, jti, at)
            gone = select(token_uses.c.jti).where(token_uses.c.jti.not_in(select(issued_tokens.c.jti)))
            connection.execute(delete(token_uses).where(token_uses.c.jti.in_(gone.limit(PURGED_AT_ONCE))))


def _note_use(connection: Connection, jti: str, at: datetime) -> None:
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    insertion = dialect.insert(token_uses).values(jti=jti, last_used_at=at)
    old = token_uses.c.last_used_at < at - USE_RESOLUTION
    connection.execute(
        insertion.on_conflict_do_update(index_elements=[token_uses.c.jti], set_={"last_used_at": at}, where=old)
    )
