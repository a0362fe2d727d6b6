"""Until when tokens of a version hold: what ends them before their time needs a reason, which is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from signer.domain.keys import Key, KeyVersion, Purpose
from signer.domain.reasons import checked_reason
from signer.domain.timestamps import rfc3339
from signer.domain.token_claims import TokenKind
from signer.errors import TokensStillValid
from signer.services.ports import Clock
from signer.services.token_ports import IssuedTokens

TOKEN_PURPOSES: frozenset[Purpose] = frozenset(kind.purpose for kind in TokenKind)


class TokenEndings:
    """Asks what was issued."""

    def __init__(self, *, issued: IssuedTokens, clock: Clock) -> None:
        self._issued = issued
        self._clock = clock

    def valid_until(self, key: Key) -> Mapping[int, datetime | None] | None:
        """By a version's number, when the last of its tokens ends; None for keys that sign no tokens."""
        if key.purpose not in TOKEN_PURPOSES:
            return None
        return {version.number: self._end(version) for version in key.existing}

    def require_over(self, key: Key, version: KeyVersion, *, force: str | None) -> dict[str, object]:
        """What an event about the version says of its tokens.

        ``force``: why they are to end now, in the person's words. Raises ``TokensStillValid`` without it, where some
        still hold; ``ReasonInvalid``.
        """
        reason = None if force is None else checked_reason(force)
        end = self._end(version) if key.purpose in TOKEN_PURPOSES else None
        if end is None:
            return {}
        if reason is None:
            raise TokensStillValid(key=key.name, version=version.number, tokens_valid_until=end)
        return {"tokens_valid_until": rfc3339(end), "reason": reason}

    def _end(self, version: KeyVersion) -> datetime | None:
        end = self._issued.last_end(version.id)
        return end if end is not None and end > self._clock() else None
