"""Refusals of lists that come from another server. Facts tell of places in a list, and of nothing that stands there."""

from __future__ import annotations

from dataclasses import dataclass

from signer.errors.base import SignerError


@dataclass(eq=False, kw_only=True)
class ListUnreadable(SignerError):
    """The list itself cannot be read. ``problem``: what is wrong, for people; ``at``: the byte, or the line of CSV."""

    code = "list-unreadable"
    problem: str
    at: int


@dataclass(eq=False, kw_only=True)
class ListNotTaken(SignerError):
    """Entries of the list are not understood, or contradict what is on record; with one of them nothing is imported.

    ``entries``: how many there are; ``refused``: how many of them; ``first``: the number of the first.
    """

    code = "list-not-taken"
    entries: int
    refused: int
    first: int


@dataclass(eq=False, kw_only=True)
class PasswordFileUnfit(SignerError):
    """The file cannot hold passwords that log in once. ``problem``: what is wrong, for people."""

    code = "password-file-unfit"
    path: str
    problem: str


@dataclass(eq=False, kw_only=True)
class ListChanged(SignerError):
    """The file was another one when it was read for the second time."""

    code = "list-changed"
