"""Sessions of CI jobs in SQL, and the tokens that were used for them: one use each, on all machines.

1. A token is used up by one insert that another of the same token waits for, in the transaction that records the
   session and its leaf: all three or none.
2. A token that was issued before the newest correction of the clock, or before a backup was put back, is not used: what
   was used before that may be forgotten here.
3. What is over is deleted with what begins, a few rows at a time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from signer.domain.ci import CiSession, TokenOutcome, TokenUse, UsedToken
from signer.domain.events import Event, EventType
from signer.domain.leaves import LogEvent
from signer.domain.timestamps import rfc3339
from signer.services.ports import Clock
from signer.storage.access import move_access_revision
from signer.storage.ci_tables import ci_sessions, used_ci_tokens
from signer.storage.database import Database, retried
from signer.storage.log_transaction import logged
from signer.storage.tables import RARE, log_leaves

# Sessions stay a little longer than they hold, for people who ask what is going on.
SESSION_MARGIN = timedelta(minutes=5)
PURGED_AT_ONCE = 50
# Of one identity at the same time. Each is in the digest that every change of access computes.
MAX_SESSIONS = 300
# After these, tokens from before may be unknown here although they were used.
FORGETFUL = (EventType.CLOCK_CORRECTED.value, LogEvent.LOG_CONTINUED.value)


def end_all_sessions(connection: Connection, at: datetime) -> None:
    """Let no session prove anything any more, in the caller's transaction."""
    connection.execute(update(ci_sessions).where(ci_sessions.c.revoked_at.is_(None)).values(revoked_at=at))
    move_access_revision(connection)


class SqlCiSessionStore:
    """``auth.ci.exchange.CiSessionStore``, ``auth.ci.sessions.CiSessionSource`` and
    ``services.access_ports.CiSessionRecords`` on SQLAlchemy Core.
    """

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @retried
    def begin(self, use: TokenUse, session: CiSession, jti_sha256: str) -> TokenOutcome:
        """Use the token up and record the session, or neither."""
        with logged(self._database, self._clock) as log:
            corrected = _newest_correction(log.connection)
            if corrected is not None and use.issued_at < corrected:
                return TokenOutcome.BEFORE_CORRECTION
            if _sessions_of(log.connection, session) >= MAX_SESSIONS:
                return TokenOutcome.TOO_MANY_SESSIONS
            if not _used_up(log.connection, use, session):
                return TokenOutcome.USED_BEFORE
            log.connection.execute(ci_sessions.insert().values(_session_row(session)))
            _purge(log.connection, session.created_at)
            log.tell(_begun(use, session, jti_sha256))
        return TokenOutcome.USED

    def used(self, token_id: bytes) -> UsedToken | None:
        """What became of the token; None where it is not used."""
        query = select(used_ci_tokens).where(used_ci_tokens.c.token_id == token_id)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            session = _found(connection, row.session_id)
        use = TokenUse(
            token_id=token_id,
            issued_at=row.used_at,
            keep_until=row.keep_until,
            nonce_sha256=None if row.nonce_sha256 is None else bytes(row.nonce_sha256),
            salt=bytes(row.salt or b""),
        )
        return UsedToken(use=use, used_at=row.used_at, session=session)

    def find(self, session_id: str) -> CiSession | None:
        """The session; None where there is none, or it is revoked."""
        with self._database.reading() as connection:
            return _found(connection, session_id)

    def all_sessions(self) -> tuple[CiSession, ...]:
        """All sessions that are not over, the oldest first, revoked ones too."""
        query = (
            select(ci_sessions)
            .where(ci_sessions.c.expires_at > self._clock())
            .order_by(ci_sessions.c.created_at, ci_sessions.c.id)
        )
        with self._database.reading() as connection:
            return tuple(_session(row) for row in connection.execute(query))

    @retried
    def revoke(self, actor: str, reason: str, *, session: str | None = None, identity: str | None = None) -> int:
        """Let one session, or all of an identity, prove nothing any more; how many did until now."""
        now = self._clock()
        holds = (ci_sessions.c.revoked_at.is_(None), ci_sessions.c.expires_at > now)
        chosen = (ci_sessions.c.id == session,) if session is not None else ()
        with logged(self._database, self._clock) as log:
            found = [_session(row) for row in log.connection.execute(select(ci_sessions).where(*holds, *chosen))]
            ended = [each for each in found if session is not None or each.identity == identity]
            for each in ended:
                row = ci_sessions.c.id == each.id
                log.connection.execute(update(ci_sessions).where(row).values(revoked_at=now))
                log.tell(_revoked(each, actor, reason))
            if ended:
                move_access_revision(log.connection)
        return len(ended)


def _newest_correction(connection: Connection) -> datetime | None:
    query = select(log_leaves.c.at).where(RARE, log_leaves.c.type.in_(FORGETFUL))
    found: datetime | None = connection.execute(query.order_by(log_leaves.c.id.desc()).limit(1)).scalar_one_or_none()
    return found


def _sessions_of(connection: Connection, session: CiSession) -> int:
    """How many sessions of the same identity hold at its beginning."""
    same = (ci_sessions.c.issuer == session.issuer, ci_sessions.c.subject == session.subject)
    holds = (ci_sessions.c.revoked_at.is_(None), ci_sessions.c.expires_at > session.created_at)
    return connection.execute(select(func.count()).select_from(ci_sessions).where(*same, *holds)).scalar_one()


def _used_up(connection: Connection, use: TokenUse, session: CiSession) -> bool:
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    repeatable = use.nonce_sha256 is not None
    row = {
        "token_id": use.token_id,
        "used_at": session.created_at,
        "keep_until": use.keep_until,
        "session_id": session.id,
        "nonce_sha256": use.nonce_sha256,
        "salt": use.salt if repeatable else None,
    }
    insertion = dialect.insert(used_ci_tokens).values(row).on_conflict_do_nothing()
    return connection.execute(insertion.returning(used_ci_tokens.c.token_id)).first() is not None


def _purge(connection: Connection, now: datetime) -> None:
    for table, over in (
        (ci_sessions, ci_sessions.c.expires_at < now - SESSION_MARGIN),
        (used_ci_tokens, used_ci_tokens.c.keep_until < now),
    ):
        connection.execute(delete(table).where(_key(table).in_(select(_key(table)).where(over).limit(PURGED_AT_ONCE))))


def _key(table: Table) -> Any:
    (column,) = table.primary_key.columns
    return column


def _found(connection: Connection, session_id: str) -> CiSession | None:
    query = select(ci_sessions).where(ci_sessions.c.id == session_id, ci_sessions.c.revoked_at.is_(None))
    row = connection.execute(query).one_or_none()
    return None if row is None else _session(row)


def _session(row: Row[Any]) -> CiSession:
    values = {**row._mapping, "secret_sha256": bytes(row.secret_sha256)}
    return CiSession(**values)


def _session_row(session: CiSession) -> dict[str, Any]:
    return {column.name: getattr(session, column.name) for column in ci_sessions.columns}


def _begun(use: TokenUse, session: CiSession, jti_sha256: str) -> Event:
    return Event(
        type=EventType.CI_SESSION_CREATED,
        actor=session.identity,
        key=None,
        version=None,
        before={},
        after={
            "session": session.id,
            "jti_sha256": jti_sha256,
            "issued_at": rfc3339(use.issued_at),
            "expires_at": rfc3339(session.expires_at),
            "pinned_sha256": session.pinned_sha256,
            "claims": dict(session.claims),
        },
    )


def _revoked(session: CiSession, actor: str, reason: str) -> Event:
    return Event(
        type=EventType.CI_SESSION_REVOKED,
        actor=actor,
        key=None,
        version=None,
        before={},
        after={"session": session.id, "identity": session.identity, "reason": reason},
    )
