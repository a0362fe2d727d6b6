"""Refusals because of the installation itself."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class DatabaseUnavailable(SignerError):
    """The database does not answer, or not in time."""

    code = "database-unavailable"


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
class ConfigurationInvalid(SignerError):
    """The configuration cannot be used. ``problems``: one sentence per setting."""

    code = "configuration-invalid"
    path: str
    problems: tuple[str, ...]
