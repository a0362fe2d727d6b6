"""Codes of a second factor that change every 30 seconds: TOTP (RFC 6238), with SHA-1 and six digits as apps have it.

1. A code counts in its own time step and in the one before and after (RFC 6238 section 5.2).
2. A step counts once: not after it, or a later one, was used.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from signer.errors.users import SecondFactorRejected

STEP_SECONDS = 30
DIGITS = 6
# How many steps a device's clock may differ.
WINDOW = 1
# RFC 4226 section 4 recommends 160 bits.
SEED_BYTES = 20
_CODE = re.compile(rf"[0-9]{{{DIGITS}}}")


def used_step(seed: bytes, unverified_code: str | None, *, at: datetime, last: int | None) -> int:
    """The time step that the code is of; raises ``SecondFactorRejected``, also where it was used before.

    ``last``: the newest step that was used.
    """
    if unverified_code is None or _CODE.fullmatch(unverified_code) is None:
        raise SecondFactorRejected
    present = int(at.timestamp()) // STEP_SECONDS
    codes = _codes(seed)
    for step in range(present - WINDOW, present + WINDOW + 1):
        if last is not None and step <= last:
            continue
        try:
            codes.verify(unverified_code.encode("ascii"), step * STEP_SECONDS)
        except InvalidToken:
            continue
        return step
    raise SecondFactorRejected


def shown_seed(seed: bytes) -> str:
    """The seed as apps take it, in base32 without padding."""
    return base64.b32encode(seed).decode("ascii").rstrip("=")


def provisioning_uri(seed: bytes, *, email: str, issuer: str) -> str:
    """The ``otpauth:`` address that apps read from a picture."""
    return _codes(seed).get_provisioning_uri(email, issuer)


def _codes(seed: bytes) -> TOTP:
    # SHA-1 is no weakness here (RFC 6238 section 1.2, RFC 6194), and most apps know nothing else.
    return TOTP(seed, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303
