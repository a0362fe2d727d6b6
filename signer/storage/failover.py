"""Whether a PostgreSQL server that has become the primary holds every leaf that any machine has certified.

A standby that is promoted may lack the newest rows. Each machine knows what it certified itself, and nobody knows it
for another one. So every machine writes what it has seen, and of which timeline of which server:

1. After a change each machine compares the log of the new primary with its own checkpoint, and confirms that with a
   row.
2. Nothing is recorded as long as a machine that was there within a day has not: ``FailoverUnconfirmed`` names it. One
   that finds its own leaves missing never confirms, and says ``LogRolledBack``.
3. A machine that is gone is left out by ``log resume --without``, which takes its row away.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, text

from signer.domain.verified_log import VerifiedLog
from signer.errors import MachineNotFound
from signer.storage import record_statements as sql
from signer.storage.database import Database
from signer.storage.tables import log_machines

# A machine that has not been seen for so long is not waited for.
SEEN_WITHIN = timedelta(hours=24)
SAME = ""  # SQLite's file has no timeline
_TIMELINE = text(
    "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || '/' ||"
    " (SELECT system_identifier FROM pg_control_system())"
)
_OTHERS = text(
    "SELECT machine FROM log_machines WHERE timeline <> :timeline AND seen_at > :since AND machine <> :own"
    " ORDER BY machine"
)


class FailoverCheck:
    """Of one machine. ``enabled``: False where the server refuses what it is asked for."""

    def __init__(self, *, machine: str, statements: sql.Statements, enabled: bool) -> None:
        self._machine = machine
        self._sql = statements
        self._enabled = enabled
        self._confirmed: str | None = None

    def awaited(self, connection: Connection, log: VerifiedLog, now: datetime) -> tuple[str, ...]:
        """The machines without whose word nothing may be recorded, in a transaction that is committed all the same.

        ``log`` has just been compared with what the server holds.
        """
        if not self._enabled:
            return ()
        timeline = str(connection.execute(_TIMELINE).scalar_one())
        if timeline == self._confirmed:
            return ()
        self._write(connection, log, timeline, now)
        values = {"timeline": timeline, "since": now - SEEN_WITHIN, "own": self._machine}
        others = tuple(connection.execute(_OTHERS, values).scalars())
        self._confirmed = None if others else timeline
        return others

    def write(self, connection: Connection, log: VerifiedLog, now: datetime) -> None:
        """Put what this machine has seen on record."""
        timeline = str(connection.execute(_TIMELINE).scalar_one()) if self._enabled else SAME
        self._write(connection, log, timeline, now)

    def _write(self, connection: Connection, log: VerifiedLog, timeline: str, now: datetime) -> None:
        row = (self._machine, timeline, log.size, log.frontier.root, self._sql.time(now))
        self._sql.write(connection, sql.SEE_MACHINE, [row])


def forget_machine(database: Database, machine: str) -> None:
    """Wait for this machine no more; raises ``MachineNotFound``."""
    with database.writing() as connection:
        known = connection.execute(text("SELECT machine FROM log_machines ORDER BY machine")).scalars().all()
        if machine not in known:
            raise MachineNotFound(machine=machine, known=tuple(known))
        connection.execute(delete(log_machines).where(log_machines.c.machine == machine))
