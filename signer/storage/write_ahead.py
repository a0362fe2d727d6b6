"""Copies SQLite's write-ahead log back into the database, so that it stays bounded.

No connection does it by itself (``wal_autocheckpoint=0``): one process of a machine does, and always under the write
lock, since SQLite before 3.51.3 can lose pages where a copy and a write of two processes begin at the same moment.
Where no such process runs, the last connection that is closed does it.

A log that is copied back is written from its beginning by the next write, but only where nobody reads from it at that
moment; where reads overlap there is always somebody. So while the log is too long the lock is kept a little longer:
who begins to read meanwhile reads from the database, and those who read from the log before come to their ends.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress

from signer.errors import SignerError
from signer.storage.sqlite import SqliteFile

# What the log may grow to, about, before it is copied back; it is written from its beginning then.
PAGES = 4096
PAGES_PER_COMMIT = 8
PAGES_PER_RECORD = 4
# From here on readers are waited for: the longer it is, the longer. They take a millisecond or so.
LONG = 2 * PAGES
WAIT_SECONDS = 0.003
MAX_WAIT_SECONDS = 0.05
LOOK_SECONDS = 0.001


class WriteAheadLog:
    """The log of one database. Not safe for threads."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        # Nothing waits here: what does not work now is tried again later.
        self._locking = file.connect(0)
        self._copying = file.connect(0)
        self._pages = 0

    def committed(self, records: int) -> None:
        """Another commit, of so many records: copy back where the log has become long."""
        self._pages += PAGES_PER_COMMIT + PAGES_PER_RECORD * records
        if self._pages >= PAGES and self._copy_back():
            self._pages = 0

    def idle(self) -> None:
        """Nobody is waiting: copy all of it back and give its disk space back."""
        if self._file.log_size() == 0:
            return
        # It takes the write lock itself, and leaves everything as it is where a reader or a writer is under way.
        with suppress(sqlite3.OperationalError, SignerError):
            self._file.check()
            self._copying.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._pages = 0

    def close(self) -> None:
        """Copy back what is there, and let the file go."""
        self.idle()
        self._locking.close()
        self._copying.close()

    def _copy_back(self) -> bool:
        try:
            self._file.check()
            self._locking.execute("BEGIN IMMEDIATE").close()
        except (sqlite3.OperationalError, SignerError):
            return False
        try:
            pages, copied = self._copied()
            if pages >= LONG:
                self._let_readers_end(pages, copied)
        except sqlite3.OperationalError:
            return False
        finally:
            self._locking.execute("ROLLBACK").close()
        return True

    def _copied(self) -> tuple[int, int]:
        """Copy back what no reader needs in the log; the pages that it has, and how many of them are copied."""
        _, pages, copied = self._copying.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return pages, copied

    def _let_readers_end(self, pages: int, copied: int) -> None:
        """Under the write lock: wait for those who read from the log, so that the next write begins it anew."""
        wait = min(MAX_WAIT_SECONDS, WAIT_SECONDS * pages / LONG)
        until = time.monotonic() + wait
        while copied < pages and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            pages, copied = self._copied()
        if copied == pages:
            time.sleep(wait)
