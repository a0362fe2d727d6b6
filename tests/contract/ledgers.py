"""What the tests of the ledger share."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from signer.domain.keys import Validity
from signer.storage.database import Database
from signer.storage.key_store import SqlKeyStore
from signer.storage.signature_ledger import SqlSignatureLedger
from tests.support.records import add_pinned

TOLERANCE = timedelta(seconds=5)
PATIENCE = 20.0


def ledger_on(database: Database, clock: Callable[[], datetime]) -> SqlSignatureLedger:
    return SqlSignatureLedger(database=database, clock=clock, clock_tolerance=TOLERANCE)


def active_id(store: SqlKeyStore, name: str = "firmware", **validity: object) -> int:
    """The id of the active version of a new key."""
    return add_pinned(store, name, validity=Validity(**validity)).versions[0].id  # type: ignore[arg-type]


def count(store: SqlKeyStore, name: str = "firmware") -> int:
    return store.key(name).versions[0].signature_count


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
