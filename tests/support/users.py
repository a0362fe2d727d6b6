"""Users and their tokens as rows, for tests that issue none: no password is looked at."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from hsm.algorithms import Algorithm
from signer.domain.events import Event, EventType
from signer.domain.keys import UNBOUNDED, Origin, Purpose
from signer.domain.users import User
from signer.services.ports import NewKey, NewVersion
from signer.services.user_ports import NewUser
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.tables import versions
from signer.storage.token_tables import issued_tokens
from signer.storage.user_store import SqlUserStore
from tests.support.clock import ManualClock

EMAIL = "ops@example.com"
WEEK = timedelta(days=7)


def new_user(email: str = EMAIL, **facts: Any) -> NewUser:
    """Somebody to be recorded."""
    known = {"person": None, "roles": ("device-manager",), "password_hash": "$argon2id$first", **facts}
    return NewUser(id=str(uuid.uuid5(uuid.NAMESPACE_URL, email)), email=email, **known)


def event(kind: EventType = EventType.USER_CHANGED, **after: object) -> Event:
    """Any event of a user."""
    return Event(type=kind, actor="tests", key=None, version=None, before={}, after=after)


def add_user(store: SqlUserStore, email: str = EMAIL, **facts: Any) -> User:
    """Somebody on record."""
    return store.add(new_user(email, **facts), event(EventType.USER_CREATED))


def add_key(database: Database, clock: ManualClock) -> int:
    """The id of a key version that tokens can name."""
    with database.reading() as connection:
        found = connection.execute(select(versions.c.id)).scalar()
    if found is not None:
        return int(found)
    key = NewKey(
        name="user-token", purpose=Purpose.USER_TOKEN, algorithm=Algorithm.ECDSA_P256, tokens=("t",), created_by="tests"
    )
    version = NewVersion(origin=Origin.GENERATED, cka_id=b"1", tokens=("t",), validity=UNBOUNDED)
    begun = Event(type=EventType.CREATION_STARTED, actor="tests", key="user-token", version=1, before={}, after={})
    made = SqlKeyStore(database=database, clock=clock).add_key(key, version, begun)
    return made.versions[0].id


def add_token(
    database: Database,
    clock: ManualClock,
    user: User,
    *,
    name: str | None = None,
    kind: str = "user",
    lifetime: timedelta = WEEK,
    issued_at: datetime | None = None,
) -> str:
    """The jti of a token on record."""
    jti, at = str(uuid.uuid4()), issued_at or clock()
    row = {
        "jti": jti,
        "kind": kind,
        "subject": user.id,
        "version_id": add_key(database, clock),
        "name": name,
        "issued_at": at,
        "expires_at": at + lifetime,
    }
    with database.writing() as connection:
        connection.execute(insert(issued_tokens).values(row))
    return jti


def holding(database: Database, user: User) -> set[str]:
    """The jti of each token of the user that was not ended."""
    query = select(issued_tokens.c.jti).where(issued_tokens.c.subject == user.id, issued_tokens.c.revoked_at.is_(None))
    with database.reading() as connection:
        return set(connection.execute(query).scalars())
