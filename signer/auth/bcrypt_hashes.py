"""Passwords by the hashes of bcrypt that came from a Mender server."""

from __future__ import annotations

from signer.domain.users import Password

# What bcrypt reads of a password: that server let it cut off longer ones.
READ_BYTES = 72


def is_of(kept: str, password: Password) -> bool:
    """Whether the hash is the password's."""
    import bcrypt

    try:
        same: bool = bcrypt.checkpw(password.text.encode("utf-8", "replace")[:READ_BYTES], kept.encode("ascii"))
    except ValueError:  # a password that bcrypt has no hash of
        return False
    return same


def spend(cost: int, password: Password) -> None:
    """Take as long as a look at a hash of this cost, and learn nothing."""
    is_of(f"$2b${cost:02d}${'.' * 53}", password)
