"""Who asks. An identity exists only after a credential was proved."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What an identity is trusted with, over all keys."""

    ADMINISTRATOR = "administrator"  # everything
    SIGNER = "signer"  # sign, and read what devices and people need
    AUDITOR = "auditor"  # read only, the log too
    READER = "reader"  # read only


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An authenticated caller.

    Attributes:
        name: what logs and events call it, such as ``api-token:admin``.
        role: what it may do.
    """

    name: str
    role: Role
