"""The recorder's process: started by ``supervision`` with what it needs as descriptors, and ended by nobody else.

Its arguments are the numbers of three descriptors: the listening socket, the lifeline, and the lock of the
installation. The first line of the lifeline is its set-up. Nothing that it starts inherits the three.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

from signer.domain.records import Outcome, SignatureEntry
from signer.logs import configure_logging
from signer.recorder.server import RecorderServer
from signer.recorder.setup import BATCH_SECONDS, Setup
from signer.storage.database import Database
from signer.storage.signature_records import SqlSignatureRecords

logger = logging.getLogger("artifact-signer.recorder")

MAX_SETUP_BYTES = 1 << 16
# What stops services is not for the recorder: it ends when those are gone that it works for.
IGNORED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


def main(arguments: Sequence[str]) -> None:
    """Serve until there is nobody left to serve."""
    listener, lifeline, lock = (int(argument) for argument in arguments)
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for descriptor in (listener, lifeline, lock):
        os.set_inheritable(descriptor, False)
    try:
        setup = Setup.parse(_first_line(lifeline))
    except ValueError:
        raise SystemExit("the recorder was given a set-up that it does not understand") from None
    configure_logging(setup.logging)
    with closing(Database(setup.hasty_database)) as database, closing(socket.socket(fileno=listener)) as accepting:
        _serve(setup, database, accepting, lifeline)
    sys.exit(0)


def _serve(setup: Setup, database: Database, listener: socket.socket, lifeline: int) -> None:
    log = database.write_ahead_log()
    records = SqlSignatureRecords(
        database=database,
        clock=lambda: datetime.now(UTC),
        clock_tolerance=timedelta(seconds=setup.clock_tolerance),
    )
    logger.info("the recorder is ready")
    try:
        RecorderServer(listener=listener, lifeline=lifeline, records=_InTime(records, database), housekeeping=log).run()
    finally:
        if log is not None:
            log.close()
    logger.info("the recorder ends")


class _InTime:
    """Records, whose every batch is over before the next ping has waited for too long."""

    def __init__(self, records: SqlSignatureRecords, database: Database) -> None:
        self._records = records
        self._database = database

    def record_many(self, entries: Sequence[SignatureEntry]) -> list[Outcome]:
        """As ``SqlSignatureRecords.record_many``."""
        with self._database.within(BATCH_SECONDS):
            return self._records.record_many(entries)


def _first_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        octet = os.read(descriptor, 1)
        if not octet or len(line) > MAX_SETUP_BYTES:
            raise ValueError("no set-up")
        line += octet
    return line
