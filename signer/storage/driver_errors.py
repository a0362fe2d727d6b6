"""What a driver raises, as what it means."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from signer.errors import DatabaseDamaged, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable, SignerError

PRIMARY_CODE = 0xFF  # of SQLite's extended result codes
# SQLSTATEs of PostgreSQL, appendix A of its manual.
DISK_FULL = "53100"
READ_ONLY = "25006"
GAVE_WAY = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected


@contextmanager
def translated() -> Iterator[None]:
    """Turns what a driver raises into what it means, as ``reading`` and ``writing`` do."""
    try:
        yield
    except (DBAPIError, PoolTimeout, sqlite3.DatabaseError) as error:
        refusal = meant(error)
        if refusal is None:
            raise
        raise refusal from error


def meant(error: BaseException) -> SignerError | None:
    """What an error means where it is the driver's; None where it is not, or is about a statement."""
    return _refusal(error) if isinstance(error, DBAPIError | PoolTimeout | sqlite3.DatabaseError) else None


def _refusal(error: DBAPIError | PoolTimeout | sqlite3.DatabaseError) -> SignerError | None:
    """What an error of the driver means; None where it is about a statement, and so for its caller."""
    original = error.orig if isinstance(error, DBAPIError) else error
    code, state = getattr(original, "sqlite_errorcode", 0) & PRIMARY_CODE, sqlstate(error)
    if code == sqlite3.SQLITE_FULL or state == DISK_FULL:
        return DatabaseFull()
    if code == sqlite3.SQLITE_READONLY or state == READ_ONLY:
        return DatabaseReadOnly()
    if state in GAVE_WAY or isinstance(error, OperationalError | PoolTimeout | sqlite3.OperationalError):
        return DatabaseUnavailable()
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return DatabaseUnavailable()
    # The subclasses of both are about statements.
    return DatabaseDamaged(damage=(str(original),)) if type(error) in (DatabaseError, sqlite3.DatabaseError) else None


def sqlstate(error: BaseException | None) -> object:
    """The SQLSTATE that PostgreSQL gave; None where there is none."""
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
