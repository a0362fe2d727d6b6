"""The database: reachable, whole, and at the revision of this release."""

from __future__ import annotations

from collections.abc import Iterator

from signer.doctor.examination import Examination
from signer.doctor.report import Finding, failed, ok, warning
from signer.errors import ConfigurationInvalid, DatabaseDamaged, DatabaseFileLost, DatabaseUnavailable, SignerError


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
    if isinstance(error, DatabaseFileLost):
        return failed(
            f"the database is lost: {error.found}",
            "stop the service, restore the database from its backup, then start",
        )
    if isinstance(error, DatabaseUnavailable):
        return failed("the database does not answer in time", "start it, or correct database.url and its password")
    return failed(f"the database cannot be used: {error.code}", "look at the log of the service")
