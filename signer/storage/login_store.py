"""What logins need of the database beside the users' rows: counted attempts, and what a login ends with.

1. Attempts are counted in the database, so that all workers and machines count together. Who is over a limit is refused
   by a look; only an attempt that is heard writes, and those are bounded by what looks at passwords.
2. A login that counts is one transaction, after its token is on record and before it leaves: it looks at the user once
   more, uses the time step up, and ends the oldest sessions beyond what one may have. Where the user changed meanwhile,
   the token ends in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from signer.domain.events import EventType
from signer.domain.kept_passwords import is_used
from signer.domain.login_limits import LoginPlace
from signer.domain.token_claims import TokenKind
from signer.domain.user_events import user_event
from signer.domain.users import User
from signer.errors import TooManyAttempts
from signer.errors.users import LoginRefusal, LoginRefused, SecondFactorRejected
from signer.services.ports import Clock
from signer.services.user_ports import Completion
from signer.storage.access import move_access_revision
from signer.storage.database import Database, retried
from signer.storage.log_transaction import LogTransaction, logged
from signer.storage.token_tables import issued_tokens
from signer.storage.user_rows import end_token, may_log_in
from signer.storage.user_tables import login_attempts, login_origins, users

MAX_SESSIONS = 10
# How long an address stays known for a user, and how many of them.
ORIGIN_LIFETIME = timedelta(days=30)
MAX_ORIGINS = 20
# No period of a limit is longer: what is older has run out.
LONGEST_PERIOD = timedelta(days=1)
PURGED_AT_ONCE = 50


class SqlLoginLimits:
    """``services.user_ports.LoginLimits`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    @retried
    def begin(self, places: Sequence[LoginPlace], at: datetime) -> None:
        """One more attempt at all of the places; raises ``TooManyAttempts``, and then it counts at none."""
        with self._database.reading() as connection:
            _require_room(places, _levels(connection, places, at))
        with self._database.writing() as connection:
            _insert_missing(connection, places, at)
            levels = _levels(connection, places, at, lock=True)
            _require_room(places, levels)
            for place in places:
                _write(connection, place, levels[place.key] + 1, at)
            _purge(connection, at)

    @retried
    def succeeded(self, places: Sequence[LoginPlace]) -> None:
        """The attempt was none that has to be counted."""
        mine = login_attempts.c.place.in_(sorted(place.key for place in places))
        with self._database.writing() as connection:
            connection.execute(update(login_attempts).where(mine).values(level=login_attempts.c.level - 1))


class SqlLogins:
    """The part of ``services.user_ports.UserStore`` that is about logins."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def known_origin(self, email: str, origin: bytes) -> bool:
        """Whether the user of this address logged in from there not long ago."""
        query = (
            select(login_origins.c.at)
            .join(users, users.c.id == login_origins.c.user_id)
            .where(users.c.email == email, login_origins.c.origin == origin)
        )
        with self._database.reading() as connection:
            at: datetime | None = connection.execute(query).scalar_one_or_none()
        return at is not None and self._clock() - at < ORIGIN_LIFETIME

    def use_step(self, user_id: str, step: int) -> None:
        """Use a time step up; raises ``SecondFactorRejected`` where it, or a later one, was used."""
        with self._database.writing() as connection:
            if not _use_step(connection, user_id, step):
                raise SecondFactorRejected

    def complete(self, completion: Completion) -> None:
        """The login counts; raises ``LoginRefused`` where it does not: then its token has ended."""
        if not self._completed(completion):
            raise LoginRefused(reason=LoginRefusal.USER_CHANGED)

    @retried
    def _completed(self, completion: Completion) -> bool:
        user, now = completion.secrets.user, self._clock()
        with logged(self._database, self._clock) as log:
            row = log.connection.execute(select(users).where(users.c.id == user.id)).one_or_none()
            if not _unchanged(log.connection, row, completion):
                _end(log, user, completion.jti, now, because="user-changed")
                return False
            log.connection.execute(update(users).where(users.c.id == user.id).values(last_login_at=now))
            if completion.origin is not None:
                _note_origin(log.connection, user.id, completion.origin, now)
            if completion.renewed_hash is not None:
                _renew(log, user, completion.renewed_hash)
            _end_oldest(log, user, now, spared=completion.jti)
        return True


def _unchanged(connection: Connection, row: Row[Any] | None, completion: Completion) -> bool:
    """Whether what the login was decided by still stands, and its time step was free."""
    seen = completion.secrets
    if row is None or row.password_hash != seen.password_hash or not may_log_in(connection, row):
        return False
    if (row.totp_confirmed_at is not None) != (completion.step is not None):
        return False
    return completion.step is None or _use_step(connection, seen.user.id, completion.step)


def _use_step(connection: Connection, user_id: str, step: int) -> bool:
    free = or_(users.c.totp_last_step.is_(None), users.c.totp_last_step < step)
    used = update(users).where(users.c.id == user_id, free).values(totp_last_step=step)
    return connection.execute(used).rowcount == 1


def _note_origin(connection: Connection, user_id: str, origin: bytes, now: datetime) -> None:
    mine = login_origins.c.user_id == user_id
    connection.execute(delete(login_origins).where(mine, login_origins.c.origin == origin))
    connection.execute(insert(login_origins).values(user_id=user_id, origin=origin, at=now))
    newest = select(login_origins.c.origin).where(mine).order_by(login_origins.c.at.desc()).limit(MAX_ORIGINS)
    kept = list(connection.execute(newest).scalars())
    connection.execute(delete(login_origins).where(mine, login_origins.c.origin.not_in(kept)))


def _renew(log: LogTransaction, user: User, password_hash: str) -> None:
    log.connection.execute(update(users).where(users.c.id == user.id).values(password_hash=password_hash))
    move_access_revision(log.connection)
    because = "used-up" if is_used(password_hash) else "cost"
    log.tell(user_event(EventType.USER_PASSWORD_CHANGED, user, actor=user.identity_name, because=because))


def _end_oldest(log: LogTransaction, user: User, now: datetime, *, spared: str) -> None:
    """End the sessions beyond the newest ``MAX_SESSIONS``, each in the log; ``spared`` is one of those that stay.

    Tokens are issued at whole seconds: which of several is the newest is not told by that.
    """
    sessions = (
        select(issued_tokens.c.jti)
        .where(
            issued_tokens.c.kind == TokenKind.USER.value,
            issued_tokens.c.subject == user.id,
            issued_tokens.c.name.is_(None),
            issued_tokens.c.jti != spared,
            issued_tokens.c.revoked_at.is_(None),
            issued_tokens.c.expires_at > now,
        )
        .order_by(issued_tokens.c.issued_at.desc(), issued_tokens.c.jti)
        .offset(MAX_SESSIONS - 1)
    )
    for jti in log.connection.execute(sessions).scalars().all():
        _end(log, user, jti, now, because="newer-sessions")


def _end(log: LogTransaction, user: User, jti: str, now: datetime, *, because: str) -> None:
    end_token(log.connection, jti, now)
    log.tell(user_event(EventType.USER_TOKEN_ENDED, user, actor=user.identity_name, jti=jti, because=because))


def _levels(
    connection: Connection, places: Sequence[LoginPlace], at: datetime, *, lock: bool = False
) -> dict[bytes, float]:
    query = select(login_attempts).where(login_attempts.c.place.in_(sorted(place.key for place in places)))
    # In one order, so that no two transactions wait for each other.
    query = query.order_by(login_attempts.c.place).with_for_update() if lock else query
    found = {bytes(row.place): row for row in connection.execute(query)}
    return {
        place.key: place.level_after(found[place.key].level, at - found[place.key].at) if place.key in found else 0.0
        for place in places
    }


def _require_room(places: Sequence[LoginPlace], levels: dict[bytes, float]) -> None:
    wait = max(place.wait(levels[place.key]) for place in places)
    if wait > timedelta():
        raise TooManyAttempts(retry_after=ceil(wait.total_seconds()))


def _insert_missing(connection: Connection, places: Sequence[LoginPlace], at: datetime) -> None:
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    rows = [{"place": key, "level": 0.0, "at": at} for key in sorted(place.key for place in places)]
    connection.execute(dialect.insert(login_attempts).on_conflict_do_nothing(), rows)


def _write(connection: Connection, place: LoginPlace, level: float, at: datetime) -> None:
    connection.execute(update(login_attempts).where(login_attempts.c.place == place.key).values(level=level, at=at))


def _purge(connection: Connection, at: datetime) -> None:
    old = select(login_attempts.c.place).where(login_attempts.c.at < at - LONGEST_PERIOD).limit(PURGED_AT_ONCE)
    connection.execute(delete(login_attempts).where(login_attempts.c.place.in_(old)))
