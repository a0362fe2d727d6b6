"""What a recorder is told when it starts: one line, without any secret; and how long it may be busy.

A recorder that leaves a ping unanswered for ``PATIENCE_SECONDS`` is killed, and it answers none while it waits for its
database. So all waits of one batch, a second attempt among them, end before that: a database that is slow or gone is
told to those who wait, and is no reason to kill anybody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from signer.config import DatabaseSettings, Settings

PATIENCE_SECONDS = 5.0
# The longest single wait; the setting is for everybody else, or where it is shorter.
DATABASE_SECONDS = 2.0
# All of them together; after that a connection may still be in the making (``SHORTEST_CONNECT_SECONDS``).
BATCH_SECONDS = 2.5
# Of a look at what others did, after which a batch may follow at once.
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a recorder has to know: the settings, which hold no secret, but say where PINs are read from."""

    settings: Settings

    @property
    def hasty_database(self) -> DatabaseSettings:
        """The database, whose waits end in time for the next ping."""
        database = self.settings.database
        return database.model_copy(update={"timeout": min(database.timeout, DATABASE_SECONDS)})

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the recorder inherits because PINs are read from it."""
        return tuple(token.pin.fd for token in self.settings.tokens if token.pin.fd is not None)

    def line(self) -> bytes:
        """As the first line of the lifeline."""
        return json.dumps(self.settings.model_dump(mode="json")).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Setup:
        """What ``line`` says; raises ``ValueError``."""
        return cls(settings=Settings.model_validate(json.loads(line)))
