"""The file of passwords that log in once: a line for each, address and password with a comma between them.

Only its owner may read it. It is replaced as a whole, and durable before anything else knows of what is in it.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from signer.domain.users import LONGEST_PASSWORD, MAX_EMAIL, Password, new_password
from signer.errors.imports import PasswordFileUnfit
from signer.errors.users import PasswordRefused

MODE = 0o600
RANDOM_BYTES = 15
MAX_LINES = 100_000
MAX_BYTES = MAX_LINES * (MAX_EMAIL + LONGEST_PASSWORD + 2)


class OneTimePasswordFile:
    """``services.user_import.OneTimePasswords``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, emails: Sequence[str]) -> Mapping[str, Password]:
        """As the port; raises ``PasswordFileUnfit``."""
        held = self._held()
        added = {email: Password(secrets.token_urlsafe(RANDOM_BYTES)) for email in emails if email not in held}
        if added:
            held |= added
            self._replace(held)
        return {email: held[email] for email in emails}

    def _held(self) -> dict[str, Password]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return {}
        with os.fdopen(descriptor, "rb") as file:
            seen = os.fstat(descriptor)
            if not stat.S_ISREG(seen.st_mode) or stat.S_IMODE(seen.st_mode) & 0o077 or seen.st_uid != os.geteuid():
                raise PasswordFileUnfit(path=str(self._path), problem="others than its owner may read it")
            content = file.read(MAX_BYTES + 1)
        lines = content.decode("ascii", "replace").splitlines()
        if len(content) > MAX_BYTES or len(lines) > MAX_LINES:
            raise PasswordFileUnfit(path=str(self._path), problem="it is too long")
        return dict(map(self._read, lines))

    def _read(self, line: str) -> tuple[str, Password]:
        email, comma, password = line.partition(",")
        try:
            if comma:
                return email, new_password(password, email=email)
        except PasswordRefused:
            pass
        raise PasswordFileUnfit(path=str(self._path), problem="it holds something else than addresses and passwords")

    def _replace(self, held: Mapping[str, Password]) -> None:
        """The whole file, by a rename; what is left of one that was cut off is written over."""
        beside = self._path.with_name(self._path.name + ".new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{email},{password.text}\n" for email, password in held.items())
            file.flush()
            os.fsync(descriptor)
        beside.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
