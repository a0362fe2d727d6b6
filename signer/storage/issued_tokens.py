"""Tokens that were issued, as rows: until when those of a version hold, and what is removed when they are over."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from signer.domain.token_claims import TokenKind
from signer.storage.database import Database
from signer.storage.device_state import move_device_revision
from signer.storage.device_tables import FORMER, devices
from signer.storage.token_tables import issued_tokens, token_buckets
from signer.storage.user_tables import users

# Of one table in one round: whoever wants to record waits for no more than these.
REMOVED_AT_ONCE = 500


class SqlIssuedTokens:
    """``services.token_ports.IssuedTokens`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def last_end(self, version_id: int) -> datetime | None:
        """As the port."""
        column = issued_tokens.c.expires_at
        of_version = (issued_tokens.c.version_id == version_id, issued_tokens.c.revoked_at.is_(None))
        with self._database.reading() as connection:
            found: datetime | None = connection.execute(
                select(column).where(*of_version).order_by(column.desc()).limit(1)
            ).scalar_one_or_none()
        return found


def kinds_in_use(database: Database) -> frozenset[TokenKind]:
    """The kinds of tokens for which there is anybody who could have one."""
    tables = {TokenKind.USER: users, TokenKind.DEVICE: devices}
    with database.reading() as connection:
        return frozenset(
            kind for kind, table in tables.items() if connection.execute(select(table.c.id).limit(1)).first()
        )


def remove_expired(connection: Connection, *, before: datetime) -> int:
    """Remove some of the tokens that ended before this moment, and of the buckets that say nothing any more.

    Gives how many rows went; 0: there are no more. An expired token is refused for what it says itself.
    """
    ended = select(issued_tokens.c.jti).where(issued_tokens.c.expires_at < before).limit(REMOVED_AT_ONCE)
    idle = select(token_buckets.c.subject).where(token_buckets.c.at < before).limit(REMOVED_AT_ONCE)
    removed = connection.execute(delete(issued_tokens).where(issued_tokens.c.jti.in_(ended))).rowcount
    return removed + connection.execute(delete(token_buckets).where(token_buckets.c.subject.in_(idle))).rowcount


def end_all_user_tokens(connection: Connection, at: datetime) -> None:
    """Let no token of a user hold any more, in the caller's transaction."""
    revision = move_device_revision(connection)
    of_users = (issued_tokens.c.kind == TokenKind.USER.value, issued_tokens.c.revoked_at.is_(None))
    connection.execute(update(issued_tokens).where(*of_users).values(revoked_at=at, revision=revision))
    connection.execute(update(users).where(users.c.revision == FORMER).values(revision=revision))
