"""The recorder's process: started by ``supervision`` with what it needs as descriptors, and ended by nobody else.

Its arguments are the numbers of three descriptors: the listening socket, the lifeline, and the lock of the
installation. The first line of the lifeline is its set-up. Nothing that it starts inherits the three.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from signer.config import DatabaseSettings, LoggingSettings
from signer.logs import configure_logging
from signer.recorder.server import RecorderServer
from signer.storage.database import Database
from signer.storage.signature_records import SqlSignatureRecords

logger = logging.getLogger("artifact-signer.recorder")

MAX_SETUP_BYTES = 1 << 16
# What stops services is not for the recorder: it ends when those are gone that it works for.
IGNORED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a recorder has to know. It holds no secret."""

    database: DatabaseSettings
    logging: LoggingSettings
    clock_tolerance: float

    def line(self) -> bytes:
        """As the first line of the lifeline."""
        document = {
            "database": self.database.model_dump(mode="json"),
            "logging": self.logging.model_dump(mode="json"),
            "clock_tolerance": self.clock_tolerance,
        }
        return json.dumps(document).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Setup:
        """What ``line`` says; raises ``ValueError``."""
        document: dict[str, Any] = json.loads(line)
        return cls(
            database=DatabaseSettings.model_validate(document["database"]),
            logging=LoggingSettings.model_validate(document["logging"]),
            clock_tolerance=float(document["clock_tolerance"]),
        )


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
    with closing(Database(setup.database)) as database, closing(socket.socket(fileno=listener)) as accepting:
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
        RecorderServer(listener=listener, lifeline=lifeline, records=records, housekeeping=log).run()
    finally:
        if log is not None:
            log.close()
    logger.info("the recorder ends")


def _first_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        octet = os.read(descriptor, 1)
        if not octet or len(line) > MAX_SETUP_BYTES:
            raise ValueError("no set-up")
        line += octet
    return line
