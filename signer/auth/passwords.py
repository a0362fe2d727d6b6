"""Passwords: kept as Argon2id (RFC 9106), looked at in threads of their own, a bounded number at a time.

1. One look costs tens of milliseconds of a core and megabytes of memory, on purpose. It happens in a few threads that
   do nothing else; who comes while enough others wait is told to come again.
2. A look at nobody's password takes as long as one at somebody's: it is compared with a hash that no password has, of
   the same cost.
3. A hash of another cost than the present one, or of bcrypt, is made anew when its password is shown. While there is
   one of bcrypt, each look at a login takes as long as one at that.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError

from signer.auth import bcrypt_hashes
from signer.domain.kept_passwords import hash_of, is_one_time, is_used, used_up
from signer.domain.user_lists import bcrypt_cost
from signer.domain.users import Password
from signer.errors.users import LoginsBusy, PasswordRejected
from signer.services.user_ports import CheckedPassword

SALT_BYTES = 16
HASH_BYTES = 32
RETRY_SECONDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """What a look costs. ``memory``: KiB; ``passes`` over it; ``lanes`` that could run at once."""

    memory: int
    passes: int
    lanes: int


class Hasher(Protocol):
    """What of Argon2 is used; one of ``argon2.PasswordHasher``."""

    def hash(self, password: str, /) -> str:
        """A new hash, encoded."""

    def verify(self, kept: str, password: str, /) -> bool:
        """Raises where the password is not that of the hash."""

    def check_needs_rehash(self, kept: str, /) -> bool:
        """Whether it has another cost."""


class Argon2Passwords:
    """``services.user_ports.Passwords``. ``threads`` look at once, ``waiting`` more for each may wait for them."""

    def __init__(self, cost: Argon2Cost, *, threads: int, waiting: int, hasher: Hasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory,
            parallelism=cost.lanes,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
        )
        self._nobodys = _nobodys_hash(cost)
        self._places = threading.BoundedSemaphore(threads * (1 + waiting))
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="passwords")

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place for all that one caller looks at; raises ``LoginsBusy``."""
        if not self._places.acquire(blocking=False):
            raise LoginsBusy(retry_after=RETRY_SECONDS)
        try:
            yield
        finally:
            self._places.release()

    def hash(self, password: Password) -> Future[str]:
        """What is kept of it."""
        return self._pool.submit(self._hasher.hash, password.text)

    def check(
        self, kept: str | None, password: Password, *, logging_in: bool = False, bcrypt_cost: int | None = None
    ) -> Future[CheckedPassword]:
        """As the port."""
        return self._pool.submit(self._checked, kept, password, logging_in=logging_in, spent=bcrypt_cost)

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(cancel_futures=True)

    def _checked(self, kept: str | None, password: Password, *, logging_in: bool, spent: int | None) -> CheckedPassword:
        if kept is not None and bcrypt_cost(kept) is not None:
            return self._of_bcrypt(kept, password)
        if spent is not None:
            bcrypt_hashes.spend(spent, password)
        if not self._is_of(self._nobodys if kept is None else hash_of(kept), password) or kept is None:
            raise PasswordRejected
        if logging_in and is_used(kept):
            raise PasswordRejected
        return CheckedPassword(kept=kept, renewed=self._renewed(kept, password, logging_in=logging_in))

    def _of_bcrypt(self, kept: str, password: Password) -> CheckedPassword:
        if bcrypt_hashes.is_of(kept, password):
            return CheckedPassword(kept=kept, renewed=self._hasher.hash(password.text))
        self._is_of(self._nobodys, password)  # as long as the hash that is made where it is right
        raise PasswordRejected

    def _is_of(self, hashed: str, password: Password) -> bool:
        try:
            return self._hasher.verify(hashed, password.text)
        except (Argon2Error, InvalidHashError):
            return False

    def _renewed(self, kept: str, password: Password, *, logging_in: bool) -> str | None:
        if is_one_time(kept) and logging_in:
            return used_up(kept)
        if is_one_time(kept) or is_used(kept) or not self._hasher.check_needs_rehash(kept):
            return None
        return self._hasher.hash(password.text)


def _nobodys_hash(cost: Argon2Cost) -> str:
    """An encoded hash that was never computed: nobody has its password, and making it costs nothing."""
    salt, digest = _encoded(os.urandom(SALT_BYTES)), _encoded(os.urandom(HASH_BYTES))
    return f"$argon2id$v=19$m={cost.memory},t={cost.passes},p={cost.lanes}${salt}${digest}"


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii").rstrip("=")
