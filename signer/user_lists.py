"""Reads lists of users from files: JSON as a Mender server's API gives it, or a line each, as exports have it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from signer.domain.json_elements import JsonElements
from signer.domain.user_lists import UserEntryRefused, listed_user
from signer.errors.imports import ListUnreadable
from signer.services.user_import import UserEntry

MAX_USER_BYTES = 1 << 16
MAX_USERS = 10_000
PIECE_BYTES = 1 << 16


def read_user_list(path: Path) -> tuple[list[UserEntry], str]:
    """All entries, and SHA-256 of the file in lowercase hex; raises ``ListUnreadable``."""
    elements, hashed = JsonElements(most=MAX_USER_BYTES), hashlib.sha256()
    entries: list[UserEntry] = []
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            hashed.update(piece)
            entries += [_entry(number, raw) for number, raw in enumerate(elements.feed(piece), start=len(entries) + 1)]
            if len(entries) > MAX_USERS:
                raise ListUnreadable(problem=f"it has more than {MAX_USERS} entries", at=len(entries))
    elements.finish()
    return entries, hashed.hexdigest()


def _entry(number: int, raw: bytes) -> UserEntry:
    try:
        return UserEntry(number=number, user=listed_user(raw))
    except UserEntryRefused as refused:
        return UserEntry(number=number, problem=refused.problem, user_id=refused.user)
