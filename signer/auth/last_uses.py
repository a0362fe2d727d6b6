"""When tokens were used last, written down now and then: outside of any request, and about once a minute.

What was not written when the process ends is lost; nothing is decided by it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from signer.errors import SignerError
from signer.services.ports import Clock

logger = logging.getLogger("artifact-signer.access")

INTERVAL_SECONDS = 60.0


class UseStore(Protocol):
    """Where uses are written down."""

    def note_uses(self, token_ids: Collection[str], at: datetime) -> None:
        """The tokens were used until now."""


class LastUses:
    """The uses that are not written yet. Safe for threads."""

    def __init__(self, *, store: UseStore, clock: Clock, interval: float = INTERVAL_SECONDS) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._seen: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="last-uses", daemon=True)

    def note(self, token_id: str) -> None:
        """The token proved an identity now; does not wait."""
        self._seen.add(token_id)

    def start(self) -> None:
        """Write from now on."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.write()

    def write(self) -> None:
        """Write down what was seen since the last time; what cannot be written is seen again at the next use."""
        seen, self._seen = self._seen, set()
        if not seen:
            return
        try:
            self._store.note_uses(seen, self._clock())
        except SignerError as error:
            logger.warning("the last use of %d tokens was not written: %s", len(seen), error.code)

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            self.write()
