"""Rows of users as others' transactions need them: who may log in, and the end of tokens."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, update

from signer.domain.token_claims import TokenKind
from signer.domain.users import KIND, User, UserSecrets, identity_name
from signer.storage.access_tables import identity_people, people
from signer.storage.device_state import move_device_revision
from signer.storage.token_tables import issued_tokens
from signer.storage.user_tables import users


def person_of(connection: Connection, email: str) -> str | None:
    """Whose the user of this address is, by the user's row or by an identity that was assigned."""
    person: str | None = connection.execute(select(users.c.person).where(users.c.email == email)).scalar()
    if person is not None:
        return person
    assigned = select(identity_people.c.person).where(identity_people.c.identity == identity_name(email))
    return connection.execute(assigned).scalar()


def users_of(connection: Connection, person: str) -> list[str]:
    """The ids of the users that are a person's."""
    assigned = select(identity_people.c.identity).where(identity_people.c.person == person)
    emails = [
        identity.removeprefix(f"{KIND}:")
        for identity in connection.execute(assigned).scalars()
        if identity.startswith(f"{KIND}:")
    ]
    own = or_(users.c.person == person, and_(users.c.person.is_(None), users.c.email.in_(emails)))
    return list(connection.execute(select(users.c.id).where(own)).scalars())


def may_log_in(connection: Connection, row: Row[Any]) -> bool:
    """Whether neither the user of this row nor the person is disabled."""
    if row.disabled_at is not None:
        return False
    person = person_of(connection, row.email)
    if person is None:
        return True
    found = connection.execute(select(people.c.disabled_at).where(people.c.name == person)).one_or_none()
    return found is not None and found.disabled_at is None


def holds_user(connection: Connection, user_id: str) -> bool:
    """Whether there is such a user who may have tokens: for whoever issues one, in the same transaction."""
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    return row is not None and may_log_in(connection, row)


def end_tokens(connection: Connection, user_ids: Collection[str], at: datetime, *, spared: str | None = None) -> int:
    """Let no token of these users prove anything any more but the one of this jti; how many did until now.

    The rows of the users have the new revision too.
    """
    of_users = issued_tokens.c.subject.in_(sorted(user_ids))
    chosen = and_(issued_tokens.c.kind == TokenKind.USER.value, of_users)
    return _end(connection, chosen if spared is None else and_(chosen, issued_tokens.c.jti != spared), at, user_ids)


def end_sessions(connection: Connection, user_id: str, at: datetime, *, spared: str | None) -> int:
    """The same for what was made by logging in: personal access tokens go on."""
    mine = and_(issued_tokens.c.kind == TokenKind.USER.value, issued_tokens.c.subject == user_id)
    sessions = and_(mine, issued_tokens.c.name.is_(None))
    return _end(
        connection, sessions if spared is None else and_(sessions, issued_tokens.c.jti != spared), at, [user_id]
    )


def end_token(connection: Connection, jti: str, at: datetime) -> bool:
    """The same for one token, and no user's row; False where it proved nothing."""
    return _end(connection, issued_tokens.c.jti == jti, at, ()) == 1


def _end(connection: Connection, chosen: ColumnElement[bool], at: datetime, user_ids: Collection[str]) -> int:
    revision = move_device_revision(connection)
    holding = and_(chosen, issued_tokens.c.revoked_at.is_(None), issued_tokens.c.expires_at > at)
    ended = connection.execute(update(issued_tokens).where(holding).values(revoked_at=at, revision=revision))
    if user_ids:
        connection.execute(update(users).where(users.c.id.in_(sorted(user_ids))).values(revision=revision))
    return ended.rowcount


def user_of(row: Row[Any]) -> User:
    """The row as a value."""
    return User(
        id=row.id,
        email=row.email,
        person=row.person,
        roles=tuple(row.roles),
        second_factor=row.totp_confirmed_at is not None,
        created_at=row.created_at,
        updated_at=row.updated_at,
        disabled_at=row.disabled_at,
        last_login_at=row.last_login_at,
    )


def secrets_of(row: Row[Any]) -> UserSecrets:
    """The row with what proves the user."""
    return UserSecrets(
        user=user_of(row),
        password_hash=row.password_hash,
        sealed_seed=None if row.totp_sealed is None else bytes(row.totp_sealed),
        last_step=row.totp_last_step,
    )
