"""What is kept of a password, by how it begins: a hash of Argon2id, of bcrypt, or of one that logs in once.

A password that logs in once is ``one-time:`` and its hash; after that login it is ``used:`` and the same, and good for
nothing but to say it as the present password where another one is chosen.
"""

from __future__ import annotations

_ONE_TIME, _USED = "one-time:", "used:"


def one_time(hashed: str) -> str:
    """To be kept of a password that logs in once."""
    return _ONE_TIME + hashed


def is_one_time(kept: str) -> bool:
    """Whether its password logs in once more."""
    return kept.startswith(_ONE_TIME)


def is_used(kept: str) -> bool:
    """Whether its password has logged in, and does so no more."""
    return kept.startswith(_USED)


def used_up(kept: str) -> str:
    """What is kept after the one login."""
    return _USED + kept.removeprefix(_ONE_TIME)


def hash_of(kept: str) -> str:
    """The hash itself."""
    return kept.removeprefix(_ONE_TIME).removeprefix(_USED)
