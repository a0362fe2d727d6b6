"""Seeds of second factors, sealed with AES-256-GCM under a key that is not in the database.

A seal is bound to its user: whoever can write the database can put nobody's seed in the place of another's. Whoever can
only read it learns no seed.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from signer.errors.users import SealKeyUnusable, SeedUnreadable

KEY_BYTES = 32
NONCE_BYTES = 12
# Of the form: the first byte of every seal.
FORM = b"\x01"
_PURPOSE = b"artifact-signer: seed of a second factor of the user "


class SeedSeal:
    """``services.user_ports.SeedSeal``. ``path``: of the key, read when it is first needed; None: there is none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._cipher: AESGCM | None = None

    def seal(self, user_id: str, seed: bytes) -> bytes:
        """The seed as the database may have it; raises ``SealKeyUnusable``."""
        nonce = os.urandom(NONCE_BYTES)
        return FORM + nonce + self._key().encrypt(nonce, seed, _PURPOSE + user_id.encode("ascii"))

    def opened(self, user_id: str, sealed: bytes) -> bytes:
        """The seed; raises ``SealKeyUnusable``, or ``SeedUnreadable`` where it is not this user's under this key."""
        nonce, content = sealed[len(FORM) : len(FORM) + NONCE_BYTES], sealed[len(FORM) + NONCE_BYTES :]
        if not sealed.startswith(FORM) or len(nonce) != NONCE_BYTES:
            raise SeedUnreadable(user=user_id)
        try:
            return self._key().decrypt(nonce, content, _PURPOSE + user_id.encode("ascii"))
        except InvalidTag:
            raise SeedUnreadable(user=user_id) from None

    def _key(self) -> AESGCM:
        if self._cipher is None:
            self._cipher = AESGCM(_read(self._path))
        return self._cipher


def _read(path: Path | None) -> bytes:
    if path is None:
        raise SealKeyUnusable(problem="users.seal_key_file names none")
    try:
        with path.open("rb") as file:
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise SealKeyUnusable(problem=f"its file cannot be read: {error.strerror}") from None
    if len(key) != KEY_BYTES:
        raise SealKeyUnusable(problem=f"its file does not hold {KEY_BYTES} bytes")
    return key
