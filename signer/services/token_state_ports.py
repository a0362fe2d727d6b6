"""What keeping the states of tokens in memory needs of a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from signer.domain.token_claims import VerifiedToken
from signer.errors import TokenRefusal


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStanding:
    """What is on record of a token.

    Attributes:
        refusal: why it does not hold; None: it does.
        key_sha256: of a device's token, the key with which it was got; lowercase hex.
        client_ca: the CA with whose certificate that key has come; None: it never has.
    """

    refusal: TokenRefusal | None
    key_sha256: str | None = None
    client_ca: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanges:
    """Of whom something is newer than a revision that was known.

    Attributes:
        revision: the present one.
        subjects: ids of users and devices; None where they are too many to be named.
    """

    revision: int
    subjects: frozenset[str] | None


class TokenStateStore(Protocol):
    """Reads states of tokens. Safe for threads."""

    def standing(self, token: VerifiedToken) -> TokenStanding:
        """As it is on record now; raises what the database raises."""

    def changes(self, since: int) -> StateChanges:
        """What was changed after the revision ``since``; raises what the database raises."""


class RevisionWatch(Protocol):
    """Knows the counter of what takes power from tokens, for an event loop."""

    def start(self) -> None:
        """To be called on the loop, once."""

    async def revision(self) -> int:
        """The counter, as current as the database allows.

        Raises ``TokenStatesUnavailable`` where it was not seen lately enough, or what the database raises.
        """

    def close(self) -> None:
        """To be called on the loop when nobody asks any longer."""
