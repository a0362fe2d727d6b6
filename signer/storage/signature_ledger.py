"""Counts signatures durably before they are made, many requests to a commit.

A durable commit costs more than a P-256 signature, so requests that arrive while one commit is under way share
the next. Whoever finds nobody committing commits for all that wait; there is no thread of its own to lose.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Update, and_, bindparam, case, or_, update

from signer.domain.keys import VersionState
from signer.errors import DatabaseUnavailable, SignerError
from signer.services.ports import Clock
from signer.storage.database import Database, retried
from signer.storage.tables import versions


@dataclass(eq=False, slots=True, kw_only=True)
class _Ticket:
    """One request's part of a commit. ``granted`` is None until decided."""

    version_id: int
    count: int
    granted: bool | None = None
    error: SignerError | None = None
    decided: threading.Event = field(default_factory=threading.Event)


class SqlSignatureLedger:
    """``services.ports.SignatureLedger`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock, clock_tolerance: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._tolerance = clock_tolerance
        self._waiting: list[_Ticket] = []
        self._mutex = threading.Lock()
        self._turn = threading.Lock()

    def reserve(self, version_id: int, *, timeout: float) -> bool:
        """Count one signature, durable when the call returns; False where the version may not sign now.

        A commit that outlasts ``timeout`` seconds raises ``DatabaseUnavailable``; its signature may then be
        counted although it is not made: the count is never too low.
        """
        return self._take_part(_Ticket(version_id=version_id, count=1), timeout)

    def release(self, version_id: int, *, timeout: float = 5.0) -> None:
        """Take back one reservation whose signature was not made."""
        self._take_part(_Ticket(version_id=version_id, count=-1), timeout)

    def _take_part(self, ticket: _Ticket, timeout: float) -> bool:
        with self._mutex:
            self._waiting.append(ticket)
        if not self._turn.acquire(timeout=timeout):
            self._leave(ticket)
        else:
            try:
                if not ticket.decided.is_set():
                    self._commit()
            finally:
                self._turn.release()
        if ticket.error is not None:
            raise replace(ticket.error) from ticket.error
        return bool(ticket.granted)

    def _leave(self, ticket: _Ticket) -> None:
        with self._mutex:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
        if not ticket.decided.is_set():
            raise DatabaseUnavailable

    def _commit(self) -> None:
        with self._mutex:
            batch, self._waiting = self._waiting, []
        granted: set[int] = set()
        # Also after an error that nobody foresaw, which reaches the one caller that commits.
        failure: SignerError | None = DatabaseUnavailable()
        try:
            granted = self._counted(batch)
            failure = None
        except SignerError as error:
            failure = error
        finally:
            # Nobody may wait for a commit that will not come.
            for ticket in batch:
                ticket.granted = failure is None and id(ticket) in granted
                ticket.error = failure
                ticket.decided.set()

    @retried
    def _counted(self, batch: Iterable[_Ticket]) -> set[int]:
        with self._database.writing() as connection:
            return self._count(connection, batch)

    def _count(self, connection: Connection, batch: Iterable[_Ticket]) -> set[int]:
        """Apply the batch; returns the ids of the granted tickets."""
        now = self._clock()
        granted: set[int] = set()
        by_version: dict[int, list[_Ticket]] = {}
        for ticket in batch:
            by_version.setdefault(ticket.version_id, []).append(ticket)
        # By id, as every transaction locks them: in the order of arrival two workers could wait for each other.
        for version_id, tickets in sorted(by_version.items()):
            returned = [ticket for ticket in tickets if ticket.count < 0]
            wanted = [ticket for ticket in tickets if ticket.count > 0]
            if returned:
                _give_back(connection, version_id, len(returned))
            if wanted and self._add(connection, version_id, len(wanted), now):
                granted.update(id(ticket) for ticket in wanted)
            elif len(wanted) > 1:
                # Some may still fit below the limit.
                granted.update(id(ticket) for ticket in wanted if self._add(connection, version_id, 1, now))
        return granted

    def _add(self, connection: Connection, version_id: int, count: int, now: datetime) -> bool:
        parameters = {"version_id": version_id, "count": count, "now": now, "tolerated": now + self._tolerance}
        return connection.execute(_ADD, parameters).rowcount == 1


def _add_statement() -> Update:
    """Count ``count`` signatures on a version that may make them at ``now``; built once, it is costly to build."""
    column = versions.c
    count, now = (
        bindparam("count", type_=column.signature_count.type),
        bindparam("now", type_=column.last_signed_at.type),
    )
    tolerated = bindparam("tolerated", type_=column.last_signed_at.type)
    may_sign = and_(
        column.id == bindparam("version_id"),
        column.state == VersionState.ACTIVE.value,
        or_(column.not_before.is_(None), column.not_before <= now),
        or_(column.not_after.is_(None), column.not_after >= now),
        or_(column.signature_limit.is_(None), column.signature_count + count <= column.signature_limit),
        or_(column.last_signed_at.is_(None), column.last_signed_at <= tolerated),
    )
    newest = case((column.last_signed_at > now, column.last_signed_at), else_=now)
    return (
        update(versions).where(may_sign).values(signature_count=column.signature_count + count, last_signed_at=newest)
    )


_ADD = _add_statement()


def _give_back(connection: Connection, version_id: int, count: int) -> None:
    connection.execute(
        update(versions)
        .where(versions.c.id == version_id, versions.c.signature_count >= count)
        .values(signature_count=versions.c.signature_count - count)
    )
