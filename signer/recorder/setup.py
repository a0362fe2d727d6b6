"""What a recorder is told when it starts: one line, without any secret; and how long it may be busy.

A recorder that leaves a ping unanswered for ``PATIENCE_SECONDS`` is killed, and it answers none while it waits for its
database. So all waits of one batch, a second attempt among them, end before that: a database that is slow or gone is
told to those who wait, and is no reason to kill anybody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from signer.config import DatabaseSettings, LoggingSettings

PATIENCE_SECONDS = 5.0
# The longest single wait; the setting is for everybody else, or where it is shorter.
DATABASE_SECONDS = 2.0
# All of them together; after that a connection may still be in the making (``SHORTEST_CONNECT_SECONDS``).
BATCH_SECONDS = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a recorder has to know. It holds no secret."""

    database: DatabaseSettings
    logging: LoggingSettings
    clock_tolerance: float

    @property
    def hasty_database(self) -> DatabaseSettings:
        """The database, whose waits end in time for the next ping."""
        return self.database.model_copy(update={"timeout": min(self.database.timeout, DATABASE_SECONDS)})

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
