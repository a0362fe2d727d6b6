"""Refusals because of the installation itself."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class DatabaseUnavailable(SignerError):
    """The database does not answer, or not in time."""

    code = "database-unavailable"


@dataclass(eq=False, kw_only=True)
class DatabaseFull(SignerError):
    """There is no disk space left to write to the database."""

    code = "database-full"


@dataclass(eq=False, kw_only=True)
class DatabaseReadOnly(SignerError):
    """The database takes no writes: a standby after a failover, or a file that must not be changed."""

    code = "database-read-only"


@dataclass(eq=False, kw_only=True)
class DatabaseFileLost(SignerError):
    """The database's file is not the one that was opened. ``found``: file or write-ahead log, missing or replaced."""

    code = "database-file-lost"
    found: str


@dataclass(eq=False, kw_only=True)
class DatabaseDamaged(SignerError):
    """The database is not there, is none, or is damaged. ``damage``: what was found, a sentence each."""

    code = "database-damaged"
    damage: tuple[str, ...]


@dataclass(eq=False, kw_only=True)
class DatabaseRevisionMismatch(SignerError):
    """The database's schema is not the one this release works with."""

    code = "database-revision-mismatch"
    found: str | None
    expected: str


@dataclass(eq=False, kw_only=True)
class RecorderUnavailable(SignerError):
    """The recorder did not answer in time: whether a signature is on record is not known, so none is given out."""

    code = "recorder-unavailable"


@dataclass(eq=False, kw_only=True)
class InstallationInUse(SignerError):
    """A service runs on this installation already, or its recorder has not ended yet. ``lock``: the file it holds."""

    code = "installation-in-use"
    lock: str


@dataclass(eq=False, kw_only=True)
class ConfigurationInvalid(SignerError):
    """The configuration cannot be used. ``problems``: one sentence per setting."""

    code = "configuration-invalid"
    path: str
    problems: tuple[str, ...]
