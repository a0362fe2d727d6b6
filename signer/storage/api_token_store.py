"""API tokens in SQL: the public part, and a hash of the secret part.

A revoked one stays on record with its name. One that is suspended proves nothing until it is taken back.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from signer.domain.events import Event
from signer.errors import ApiTokenNameTaken, ApiTokenNotFound
from signer.services.ports import ApiTokenRecord, Clock
from signer.storage.access import move_access_revision
from signer.storage.database import Database, retried
from signer.storage.log_transaction import logged
from signer.storage.tables import api_tokens

_VALID = (api_tokens.c.revoked_at.is_(None), api_tokens.c.suspended_at.is_(None))


def suspend_all(connection: Connection, at: datetime) -> int:
    """Let no token prove anything until it is taken back, in the caller's transaction; how many did until now."""
    suspended = connection.execute(update(api_tokens).where(*_VALID).values(suspended_at=at))
    move_access_revision(connection)
    return suspended.rowcount


class SqlApiTokenStore:
    """``services.ports.ApiTokenStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @retried
    def add(self, *, token_id: str, name: str, role: str, secret_sha256: bytes, event: Event) -> None:
        """Record a token; raises ``ApiTokenNameTaken``, also where the token of that name is revoked."""
        timestamp = self._clock()
        row = {
            "id": token_id,
            "name": name,
            "role": role,
            "secret_sha256": secret_sha256,
            "created_at": timestamp,
        }
        try:
            with logged(self._database, self._clock) as log:
                log.connection.execute(insert(api_tokens).values(row))
                log.tell(event)
        except IntegrityError as error:
            if self.name_taken(name):
                raise ApiTokenNameTaken(name=name) from error
            raise

    def find(self, token_id: str) -> tuple[str, str, bytes] | None:
        """Name, role and SHA-256 of the secret; None where there is no such token, or it proves nothing now."""
        query = select(api_tokens).where(api_tokens.c.id == token_id, *_VALID)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.name, row.role, row.secret_sha256)

    def role_of(self, name: str) -> str | None:
        """The role of the token; None where there is no such token, or it proves nothing now."""
        query = select(api_tokens.c.role).where(api_tokens.c.name == name, *_VALID)
        with self._database.reading() as connection:
            role: str | None = connection.execute(query).scalar_one_or_none()
        return role

    def all_tokens(self) -> tuple[ApiTokenRecord, ...]:
        """All tokens by name, revoked ones too."""
        query = select(api_tokens).order_by(api_tokens.c.name)
        with self._database.reading() as connection:
            return tuple(
                ApiTokenRecord(
                    id=row.id,
                    name=row.name,
                    role=row.role,
                    created_at=row.created_at,
                    revoked_at=row.revoked_at,
                    suspended_at=row.suspended_at,
                )
                for row in connection.execute(query)
            )

    @retried
    def revoke(self, name: str, event: Event) -> bool:
        """Let the token prove nothing any more; False where it did not before. Raises ``ApiTokenNotFound``."""
        timestamp = self._clock()
        valid = (api_tokens.c.name == name) & api_tokens.c.revoked_at.is_(None)
        with logged(self._database, self._clock) as log:
            revoked = log.connection.execute(update(api_tokens).where(valid).values(revoked_at=timestamp))
            if revoked.rowcount == 1:
                move_access_revision(log.connection)
                log.tell(event)
                return True
        if not self.name_taken(name):
            raise ApiTokenNotFound(name=name)
        return False

    @retried
    def reinstate(self, name: str, event: Event) -> bool:
        """Let a suspended token prove again what it did; False where it is not. Raises ``ApiTokenNotFound``."""
        suspended = (api_tokens.c.name == name) & api_tokens.c.suspended_at.is_not(None)
        with logged(self._database, self._clock) as log:
            taken_back = log.connection.execute(update(api_tokens).where(suspended).values(suspended_at=None))
            if taken_back.rowcount == 1:
                log.tell(event)
                return True
        if not self.name_taken(name):
            raise ApiTokenNotFound(name=name)
        return False

    def name_taken(self, name: str) -> bool:
        """Whether a token of this name is on record, valid or revoked."""
        query = select(api_tokens.c.id).where(api_tokens.c.name == name)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None
