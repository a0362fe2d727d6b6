"""What a recorder is told when it starts: one line, without any secret."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from signer.config import DatabaseSettings, LoggingSettings


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
