"""The database: reachable, whole, at the revision of this release, and not ahead of the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, Unchecked, failed, ok, or_ok, timestamp, warning
from signer.doctor.service import served_certificate
from signer.errors import ConfigurationInvalid, DatabaseDamaged, DatabaseUnavailable, SignerError

SET_THE_CLOCK = "set the clock right, and let it follow a time server (timedatectl set-ntp true)"


def database(examination: Examination) -> Iterator[Finding]:
    """It answers in time, its file is whole, its schema is the expected one, and SQLite writes ahead (WAL)."""
    condition = examination.database
    if isinstance(condition, SignerError):
        yield _unusable(condition)
        return
    if condition.found != condition.expected:
        yield failed(
            f"the database is at revision {condition.found or 'none'}, this release needs {condition.expected}",
            f"stop the service, make a backup, and run artifact-signer database upgrade --config {examination.config}",
        )
    else:
        yield ok(f"the database is at revision {condition.found} and whole")
    if not condition.write_ahead:
        yield warning(
            "SQLite does not write ahead (WAL): workers wait for each other, and some file systems cannot do it",
            "move the database to a local disk",
        )


def _unusable(error: SignerError) -> Finding:
    if isinstance(error, DatabaseDamaged):
        return failed(
            f"the database cannot be used: {'; '.join(error.damage)}",
            "stop the service and restore the database from its backup, or correct database.url",
        )
    if isinstance(error, ConfigurationInvalid):
        return failed(
            f"the database cannot be opened: {'; '.join(error.problems)}", "correct database in the configuration"
        )
    if isinstance(error, DatabaseUnavailable):
        return failed("the database does not answer in time", "start it, or correct database.url and its password")
    return failed(f"the database cannot be used: {error.code}", "look at the log of the service")


def clock(examination: Examination) -> Iterator[Finding]:
    """The clock against the newest record, and against the day on which the TLS certificate was made."""
    now = examination.surroundings.clock()
    yield from or_ok(_behind(examination, now), f"the clock says {timestamp(now)}, after everything on record")


def _behind(examination: Examination, now: datetime) -> Iterator[Finding]:
    certificate = served_certificate(examination)
    if certificate is not None and now < certificate.not_valid_before_utc:
        yield failed(
            f"the clock says {timestamp(now)}, before the TLS certificate begins to be valid "
            f"({timestamp(certificate.not_valid_before_utc)})",
            SET_THE_CLOCK,
        )
    try:
        newest = examination.store.newest_timestamp()
    except Unchecked as unchecked:
        yield warning(f"the clock cannot be compared with the records: {unchecked.reason}", "repair the database first")
        return
    tolerance = timedelta(seconds=examination.settings.signing.clock_tolerance)
    if newest is not None and now < newest - tolerance:
        yield failed(
            f"the clock says {timestamp(now)}, but {timestamp(newest)} is on record already: nothing is signed",
            SET_THE_CLOCK,
        )
    elif newest is not None and now < newest:
        yield ok(f"the clock is behind the newest record ({timestamp(newest)}) by less than signing.clock_tolerance")
