"""Why somebody did what is on record: their own words, in one line."""

from __future__ import annotations

from signer.errors import ReasonInvalid

MAX_REASON = 300


def checked_reason(unverified: str) -> str:
    """The reason, without blanks around it; raises ``ReasonInvalid``."""
    reason = unverified.strip()
    if not is_reason(reason):
        raise ReasonInvalid(limit=MAX_REASON)
    return reason


def is_reason(text: str) -> bool:
    """Whether the text is one."""
    return 0 < len(text) <= MAX_REASON and text.isprintable()
