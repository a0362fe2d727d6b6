"""What is said about keys and tokens, as frozen values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from hsm.algorithms import Algorithm

MAX_NAME = 255  # bytes of an identifier or a label


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedKey:
    """A key as it was recorded when it was made or adopted: the token may never substitute another.

    ``key_id``: CKA_ID, 1 to 255 bytes. ``spki``: DER SubjectPublicKeyInfo.
    """

    key_id: bytes
    algorithm: Algorithm
    spki: bytes = field(repr=False)
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.key_id) <= MAX_NAME:
            raise ValueError(f"a CKA_ID has 1 to {MAX_NAME} bytes")
        object.__setattr__(self, "digest", hashlib.sha256(self.spki).digest())

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of the SubjectPublicKeyInfo."""
        return self.digest.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMaterial:
    """A key pair outside of any token. ``spki``: DER SubjectPublicKeyInfo; ``private``: DER PKCS#8, unencrypted."""

    algorithm: Algorithm
    spki: bytes = field(repr=False)
    private: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignRequest:
    """One signature that is asked for.

    Attributes:
        message: what is signed; its SHA-256 digest, 32 bytes, where it is ``prehashed``, which Ed25519 does not sign.
        tokens: names of those that may be used; None: all.
    """

    key: PinnedKey
    message: bytes = field(repr=False)
    tokens: tuple[str, ...] | None = None
    prehashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """A key pair, or one half of it, as found in a token.

    ``algorithm`` and ``spki`` are None where the public key cannot be read or is of a kind that is not used here.
    The flags are those of the private half; without one they are False.
    """

    key_id: bytes
    label: str
    algorithm: Algorithm | None
    spki: bytes | None = field(repr=False)
    extractable: bool
    sensitive: bool
    always_sensitive: bool
    local: bool
    sign: bool
    has_private: bool
    has_public: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDescription:
    """A token as it presents itself without login.

    ``free_memory``, ``total_memory``: bytes of public memory, None where the token does not tell; the same for the
    session counts. ``mechanisms``: names, ``0x…`` for those without one.
    """

    slot_id: int
    slot_description: str
    label: str
    serial: str
    model: str
    manufacturer: str
    library_description: str
    library_version: tuple[int, int]
    cryptoki_version: tuple[int, int]
    initialized: bool
    login_required: bool
    user_pin_initialized: bool
    user_pin_count_low: bool
    user_pin_final_try: bool
    user_pin_locked: bool
    write_protected: bool
    free_memory: int | None
    total_memory: int | None
    sessions: int | None
    max_sessions: int | None
    mechanisms: tuple[str, ...] = field(repr=False)


class TokenState(StrEnum):
    """Where a token's process is in its life."""

    STARTING = "starting"  # being opened for the first time, or again
    READY = "ready"
    WAITING = "waiting"  # the last attempt failed; the next one is due later
    REFUSED = "refused"  # the PIN was refused or is locked: nothing is tried until its source changes
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHealth:
    """The state of a configured token.

    ``since``: reading of the pool's clock when it last became ready, or last ceased to be. ``last_error``: its code;
    ``reason``: what the token or the system said, such as the name of a PKCS#11 return value.
    """

    name: str
    state: TokenState
    since: float
    last_error: str | None
    restarts: int
    pid: int | None
    retry_after: float | None
    reason: str | None = None
