"""HTTP's Basic scheme (RFC 7617): what a client shows of a user's name and password.

The name ends at the first colon; the password is all that follows. Text is UTF-8, as clients write it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from signer.domain.users import Password

SCHEME = "basic "
# An address and a password of the longest that anybody may have, in base64, and some room.
MAX_CHARACTERS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicCredentials:
    """What was shown, unproved."""

    unverified_email: str
    password: Password


def basic_credentials(authorization: str | None) -> BasicCredentials | None:
    """What the ``Authorization`` field shows; None where it shows nothing of the kind that is well formed."""
    if authorization is None or len(authorization) > MAX_CHARACTERS:
        return None
    if authorization[: len(SCHEME)].lower() != SCHEME:
        return None
    try:
        text = base64.b64decode(authorization[len(SCHEME) :].strip(" "), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    email, colon, password = text.partition(":")
    if not colon or not email:
        return None
    return BasicCredentials(unverified_email=email, password=Password(password))
