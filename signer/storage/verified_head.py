"""The log in the database, followed leaf by leaf by the process that has it certified.

1. A head that the database tells is compared with what was verified here, and taken over only together with the
   leaves that lead to it: read as they are stored, and hashed here.
2. It is asked under the lock of the head, before anything is decided, and once more after the commit, with the bytes
   that the database kept: what was changed between hashing and storing is found before it is certified.
3. The rows that give power are compared with what the log says of them, whenever anybody else may have changed them:
   at each look on SQLite, which tells of other connections' commits; on PostgreSQL where a mark over them, which the
   server makes in the same transaction, is another one, and at an interval besides.
4. What is found once is found for good: every later call raises the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from signer.domain.verified_log import VerifiedLog
from signer.errors import AccessTampered, LogDamaged, SignerError
from signer.errors.log import TAMPERING
from signer.services.ports import LogHead
from signer.storage import record_statements as sql
from signer.storage.access import access_digest, power_mark
from signer.storage.log_reader import read_leaves

LEAVES_AT_ONCE = 4096
ACCESS_SECONDS = 0.5


class VerifiedHead:
    """Follows one log. For one thread."""

    def __init__(self, log: VerifiedLog, *, dialect: str, monotonic: Callable[[], float]) -> None:
        self._log = log
        self._sql = sql.statements(dialect)
        self._watch = _SqliteWatch() if dialect == "sqlite" else _ServerWatch(monotonic)
        self._found: SignerError | None = None

    @property
    def log(self) -> VerifiedLog:
        """What was verified so far."""
        return self._log

    def moved(self, connection: Connection, head: LogHead) -> bool:
        """Whether there may be something to ``follow``: a hint, from a head that nobody has locked."""
        return head.size != self._log.size or head.root != self._log.frontier.root or self._watch.due(connection)

    def follow(self, connection: Connection, head: LogHead) -> None:
        """Take over what was appended up to ``head``, which the caller's transaction has locked, or reads alone.

        Raises ``LogRolledBack``, ``LogForked``, ``LogDamaged`` or ``AccessTampered``.
        """
        self._once(lambda: self._follow(connection, head))

    def confirm(self, connection: Connection, head: LogHead, own: Mapping[bytes, datetime]) -> None:
        """Take over what this process has appended itself, as it is stored now; raises as ``follow``."""
        self._once(lambda: self._extend(connection, head, own))

    def _follow(self, connection: Connection, head: LogHead) -> None:
        due = self._watch.due(connection)
        self._extend(connection, head, {})
        access = self._log.access
        if access is None:
            raise LogDamaged(index=0, problem="no leaf says who may do what")
        if due:
            self._compare(access_digest(connection))
            self._watch.seen()
        self._compare(head.access_sha256)

    def _extend(self, connection: Connection, head: LogHead, own: Mapping[bytes, datetime]) -> None:
        log, beyond = self._log, self._log.beyond(size=head.size, root=head.root)
        for first in range(beyond.start, beyond.stop, LEAVES_AT_ONCE):
            leaves = read_leaves(self._sql, connection, first, min(first + LEAVES_AT_ONCE, beyond.stop))
            log = log.extended(leaves, own=own)
        log.require(head.root)
        if log.frontier != head.frontier:
            # Its root is right, and the next leaf would lead to another one.
            raise LogDamaged(index=head.size, problem="the frontier of the head is not that of its root")
        self._log = log

    def _compare(self, found: str) -> None:
        access = self._log.access
        if access is not None and found != access.sha256:
            raise AccessTampered(revision=access.revision, expected=access.sha256, found=found)

    def _once(self, look: Callable[[], None]) -> None:
        if self._found is not None:
            raise self._found
        try:
            look()
        except TAMPERING as error:
            self._found = error
            raise


class _SqliteWatch:
    """Whether another connection has committed since the last look (SQLite: ``PRAGMA data_version``)."""

    def __init__(self) -> None:
        self._seen: tuple[Any, int] | None = None
        self._now: tuple[Any, int] | None = None

    def due(self, connection: Connection) -> bool:
        """Whether the rows may have changed."""
        driver: Any = connection.connection.dbapi_connection
        # The number means something for one connection only.
        self._now = driver, driver.execute("PRAGMA data_version").fetchone()[0]
        return self._now != self._seen

    def seen(self) -> None:
        """What ``due`` told of was looked at."""
        self._seen = self._now


class _ServerWatch:
    """Whether the server marks the rows otherwise than at the last look, or that was long enough ago."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._next = 0.0
        self._now = 0.0
        self._seen: str | None = None
        self._mark: str | None = None

    def due(self, connection: Connection) -> bool:
        """Whether the rows may have changed."""
        self._now, self._mark = self._monotonic(), power_mark(connection)
        return self._now >= self._next or self._mark != self._seen

    def seen(self) -> None:
        """What ``due`` told of was looked at."""
        self._next, self._seen = self._now + ACCESS_SECONDS, self._mark
