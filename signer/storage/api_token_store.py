"""API tokens in SQL: the public part, and a hash of the secret part.

A revoked one stays on record with its name. One that is suspended proves nothing until it is taken back.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from signer.domain.api_tokens import ApiToken, NewApiToken, scope_of
from signer.domain.events import Event
from signer.domain.identity import Scope
from signer.errors import ApiTokenNameTaken, ApiTokenNotFound, PersonDisabled, PersonNotFound
from signer.services.access_ports import StoredApiToken
from signer.services.approval_ports import Permit
from signer.services.ports import Clock
from signer.storage.access import move_access_revision
from signer.storage.access_tables import people
from signer.storage.database import Database, retried
from signer.storage.log_transaction import logged
from signer.storage.permits import permitted
from signer.storage.tables import api_tokens

# Uses closer together than this are one.
USE_RESOLUTION = timedelta(seconds=50)
_VALID = (api_tokens.c.revoked_at.is_(None), api_tokens.c.suspended_at.is_(None))


def suspend_all(connection: Connection, at: datetime) -> int:
    """Let no token prove anything until it is taken back, in the caller's transaction; how many did until now."""
    suspended = connection.execute(update(api_tokens).where(*_VALID).values(suspended_at=at))
    move_access_revision(connection)
    return suspended.rowcount


def suspended_tokens(database: Database) -> int:
    """How many are suspended and not revoked."""
    suspended = select(func.count()).where(api_tokens.c.revoked_at.is_(None), api_tokens.c.suspended_at.is_not(None))
    with database.reading() as connection:
        return int(connection.execute(suspended).scalar_one())


class SqlApiTokenStore:
    """``services.ports.ApiTokenStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @retried
    def add(
        self, *, token_id: str, new: NewApiToken, secret_sha256: bytes, event: Event, permit: Permit | None = None
    ) -> None:
        """Record a token; raises ``ApiTokenNameTaken``, also where the token of that name is revoked,
        ``PersonNotFound``, ``PersonDisabled`` and ``AccessMovedError``.
        """
        row = {
            "id": token_id,
            "name": new.name,
            "role": new.role,
            "person": new.person,
            **_scope_columns(new.scope),
            "secret_sha256": secret_sha256,
            "created_at": self._clock(),
            "expires_at": new.expires_at,
        }
        try:
            with logged(self._database, self._clock) as log:
                event = permitted(log, permit, event)
                if new.person is not None:
                    _require_active(log.connection, new.person)
                    # Who can prove to be somebody decides of what may be done with groups.
                    move_access_revision(log.connection)
                log.connection.execute(insert(api_tokens).values(row))
                log.tell(event)
        except IntegrityError as error:
            if self.name_taken(new.name):
                raise ApiTokenNameTaken(name=new.name) from error
            raise

    def find(self, token_id: str) -> StoredApiToken | None:
        """The token; None where there is none, or it proves nothing now, its end apart."""
        query = select(api_tokens).where(api_tokens.c.id == token_id, *_VALID)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else StoredApiToken(token=_token(row), secret_sha256=row.secret_sha256)

    def named(self, name: str) -> ApiToken | None:
        """The token of this name, revoked or not."""
        with self._database.reading() as connection:
            row = connection.execute(select(api_tokens).where(api_tokens.c.name == name)).one_or_none()
        return None if row is None else _token(row)

    def all_tokens(self) -> tuple[ApiToken, ...]:
        """All tokens by name, revoked ones too."""
        with self._database.reading() as connection:
            return tuple(_token(row) for row in connection.execute(select(api_tokens).order_by(api_tokens.c.name)))

    def note_uses(self, token_ids: Collection[str], at: datetime) -> None:
        """The tokens were used until now; written only where what is on record is about a minute old."""
        told = api_tokens.c.last_used_at
        old = or_(told.is_(None), told < at - USE_RESOLUTION)
        written = update(api_tokens).where(api_tokens.c.id.in_(sorted(token_ids)), old).values(last_used_at=at)
        with self._database.writing() as connection:
            connection.execute(written)

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


def _require_active(connection: Connection, person: str) -> None:
    row = connection.execute(select(people.c.disabled_at).where(people.c.name == person)).one_or_none()
    if row is None:
        raise PersonNotFound(person=person)
    if row.disabled_at is not None:
        raise PersonDisabled(person=person)


def _scope_columns(scope: Scope | None) -> dict[str, list[str] | None]:
    if scope is None:
        return {"scope_keys": None, "scope_actions": None}
    return {"scope_keys": scope.keys.texts, "scope_actions": sorted(scope.actions)}


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(
        id=row.id,
        name=row.name,
        role=row.role,
        person=row.person,
        scope=scope_of(row.scope_keys, row.scope_actions),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        suspended_at=row.suspended_at,
        last_used_at=row.last_used_at,
    )
