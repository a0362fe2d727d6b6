"""Refusals to make a backup, or to put one back."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class FolderTaken(SignerError):
    """The folder that a backup is to be made in holds something."""

    code = "folder-taken"
    path: str


@dataclass(eq=False, kw_only=True)
class BackupUnusable(SignerError):
    """A backup is not one, is damaged, or its log does not hold. ``problem``: what was found."""

    code = "backup-unusable"
    path: str
    problem: str


@dataclass(eq=False, kw_only=True)
class DatabaseTaken(SignerError):
    """The database that a backup is to be put into holds something already."""

    code = "database-taken"


@dataclass(eq=False, kw_only=True)
class RestoreRollsBack(SignerError):
    """This machine knows a log that the backup does not begin with, or not all of. ``known``: leaves, by the file."""

    code = "restore-rolls-back"
    path: str
    known: int
    restored: int
