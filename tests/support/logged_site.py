"""The real routes over a real database whose log has as many leaves as a test wants, certified by a key of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from signer.bootstrap import Parts
from signer.domain.identity import Role
from signer.services.log_tree import LogTree
from signer.storage.database import Database
from signer.storage.log_append import append, lock_head
from signer.storage.log_reader import SqlLogReader
from tests.docs.application import Application, application
from tests.support.asking import Reply
from tests.support.databases import begin_log
from tests.support.memory_log import MemoryCheckpoints, signature_leaf

PREFIX = "/v1/log/"
KEY = "documented"


@dataclass(slots=True, kw_only=True)
class LoggedSite:
    """The application, its log and who certifies it. All but the first few leaves are of type ``signature``."""

    application: Application
    database: Database
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)

    @property
    def reader(self) -> SqlLogReader:
        """The log in the database."""
        return SqlLogReader(database=self.database)

    @property
    def size(self) -> int:
        """Of the log in the database."""
        return self.reader.head().size

    def grow(self, size: int, *, certify: bool = True) -> bytes:
        """Append signatures until the log has that many leaves at least; their checkpoint, where they are certified."""
        with self.database.writing() as connection:
            head = lock_head(connection)
            append(connection, head, [signature_leaf(number, key=KEY) for number in range(head.size, size)])
        return self.certify(size) if certify else b""

    def certify(self, size: int) -> bytes:
        """Sign a checkpoint of that many leaves."""
        note = self.checkpoints.key.signed(size, LogTree(self.reader.stored_hashes).root(size))
        self.checkpoints.note = note
        return note

    def get(self, path: str, role: Role | None = Role.AUDITOR, method: str = "GET") -> Reply:
        """Ask below ``/v1/log/``."""
        return self.application.ask(method, PREFIX + path, self.application.credentials[role] if role else None)


@contextmanager
def logged_site(directory: Path) -> Iterator[LoggedSite]:
    """A site whose log has begun, and is not certified yet."""
    databases: list[Database] = []
    checkpoints = MemoryCheckpoints()

    def changed(parts: Parts, database: Database) -> Parts:
        begin_log(database)
        databases.append(database)
        return replace(parts, checkpoints=checkpoints)

    made = application(directory, changed=changed)
    try:
        yield LoggedSite(application=made, database=databases[0], checkpoints=checkpoints)
    finally:
        made.close()
