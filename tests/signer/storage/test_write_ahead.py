"""The write-ahead log stays bounded where reads overlap, so that at no moment nobody reads."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from signer.storage import write_ahead
from signer.storage.sqlite import SqliteFile
from signer.storage.write_ahead import WriteAheadLog

PAGE = 4096
RECORDS = 16
# Some milliseconds of reading, one read after another.
SLOW = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    SELECT count(*), max(v) FROM n, t"""


@pytest.fixture
def file(tmp_path: Path) -> SqliteFile:
    file = SqliteFile(tmp_path / "db.sqlite")
    file.create()
    with closing(file.connect(1)) as connection:
        connection.execute("CREATE TABLE t (v)")
        connection.execute("INSERT INTO t VALUES (0)")
    return file


@contextmanager
def readers(file: SqliteFile, number: int) -> Iterator[None]:
    """So many who read without a pause, each at its own time."""
    over = threading.Event()
    reading = threading.Barrier(number + 1)

    def read() -> None:
        with closing(file.connect(1)) as connection:
            reading.wait()
            while not over.is_set():
                connection.execute(SLOW).fetchall()

    threads = [threading.Thread(target=read) for _ in range(number)]
    for thread in threads:
        thread.start()
    reading.wait()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def largest_log(file: SqliteFile, log: WriteAheadLog, commits: int) -> int:
    """What the log has grown to, in pages, after so many commits of ``RECORDS`` pages each."""
    with closing(file.connect(1)) as writer:
        writer.execute("CREATE TABLE pages (v)")
        for _ in range(commits):
            writer.execute("BEGIN IMMEDIATE")
            for _ in range(RECORDS):
                writer.execute("INSERT INTO pages VALUES (zeroblob(3000))")
            writer.execute("COMMIT")
            log.committed(RECORDS)
    return file.log_size() // PAGE


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> int:
    """Long is what takes a moment to write."""
    monkeypatch.setattr(write_ahead, "PAGES", 128)
    monkeypatch.setattr(write_ahead, "LONG", 256)
    return 256


def test_it_stays_bounded_while_reads_overlap(file: SqliteFile, short: int) -> None:
    commits = 600
    with closing(WriteAheadLog(file)) as log, readers(file, 3):
        # Some eight times ``short``; more where reads are slow, since other work goes on, and are waited for longer.
        assert largest_log(file, log, commits) < commits * RECORDS / 2


def test_a_reader_that_does_not_end_holds_up_nobody(file: SqliteFile, short: int) -> None:
    with closing(WriteAheadLog(file)) as log, closing(file.connect(0)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        assert largest_log(file, log, 60) >= 60 * RECORDS
        reader.execute("COMMIT")
        log.idle()
        assert file.log_size() == 0
        assert sqlite3.connect(file._path).execute("SELECT count(*) FROM pages").fetchone() == (60 * RECORDS,)
