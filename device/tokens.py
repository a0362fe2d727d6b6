"""A device's token: opaque but for its end, and kept in a file so that a restart costs no request."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field

from device.errors import AnswerInvalid
from device.store import Store

FILE = "token"
MOST_CHARACTERS = 16_384
# JWS in its compact form (RFC 7515, section 7.1).
_TEXT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """``text``: as it is shown. ``expires_at``: seconds since 1970, as it says itself; None: it does not."""

    text: str = field(repr=False)
    expires_at: float | None

    @classmethod
    def of_answer(cls, unverified_body: bytes) -> Token:
        """The body of an answer: the token and nothing else; raises ``AnswerInvalid``."""
        text = unverified_body.decode("ascii", "replace")
        if len(text) > MOST_CHARACTERS or not _TEXT.fullmatch(text):
            raise AnswerInvalid(problem="the body is no token")
        return cls(text=text, expires_at=_end_of(text))

    def holds_at(self, now: float, *, margin: float) -> bool:
        """Whether it does not end within ``margin`` seconds; what does not say is worth a try."""
        return self.expires_at is None or now + margin < self.expires_at


def kept_token(store: Store) -> Token | None:
    """The token on the device; None where there is none that could be one."""
    content = store.read(FILE)
    if content is None:
        return None
    try:
        return Token.of_answer(content)
    except AnswerInvalid:
        return None  # asking anew mends it


def keep_token(store: Store, token: Token) -> None:
    """Have it found after a restart."""
    store.replace(FILE, token.text.encode("ascii"))


def _end_of(text: str) -> float | None:
    """``exp`` (RFC 7519, section 4.1.4), believed without a look at the signature: it can only make a device ask."""
    segment = text.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
        end = claims["exp"]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        return None
    return float(end) if type(end) in (int, float) and 0 <= end <= 1 << 40 else None
