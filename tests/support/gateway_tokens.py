"""Verified tokens, and states of them in memory, for tests of what gateways are answered."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from signer.domain.token_claims import TokenKind, VerifiedToken
from signer.errors import TokenRefusal, TokenRefused, TokenStatesUnavailable
from signer.services.token_state_ports import StateChanges, TokenStanding

AT = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)


def token_of(
    subject: str = "device-1", *, jti: str = "jti-1", kind: TokenKind = TokenKind.DEVICE, auth_set: str | None = None
) -> VerifiedToken:
    """A token that was verified."""
    own = (auth_set or f"set-of-{subject}") if kind is TokenKind.DEVICE else None
    return VerifiedToken(
        kind=kind,
        jti=jti,
        subject=subject,
        auth_set=own,
        issued_at=AT,
        expires_at=AT + timedelta(days=7),
        key=f"{kind.value}-token",
        version=1,
    )


@dataclass
class MemoryStates:
    """``services.token_state_ports.TokenStateStore`` and ``RevisionWatch`` over rows in memory.

    ``found``: refusals by jti; what is not there is not on record. ``asked``: jtis that were looked up.
    """

    found: dict[str, TokenRefusal | None] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    key_sha256: str | None = None
    client_ca: str | None = None
    counter: int = 0
    seen: int | None = None
    unavailable: bool = False
    too_many: bool = False
    asked: list[str] = field(default_factory=list)
    read: int = 0
    during_standing: threading.Event | None = None
    asked_standing: threading.Event = field(default_factory=threading.Event)

    def take(self, subject: str, jti: str, refusal: TokenRefusal | None) -> None:
        """Change what is on record of a token, and move the counter with it."""
        self.counter += 1
        self.changed[subject] = self.counter
        self.found[jti] = refusal

    def standing(self, token: VerifiedToken) -> TokenStanding:
        """As the port."""
        self.asked.append(token.jti)
        standing = TokenStanding(
            refusal=self.found.get(token.jti, TokenRefusal.NOT_ON_RECORD),
            key_sha256=self.key_sha256,
            client_ca=self.client_ca,
        )
        self.asked_standing.set()
        if self.during_standing is not None:
            assert self.during_standing.wait(30)
        return standing

    def changes(self, since: int) -> StateChanges:
        """As the port."""
        self.read += 1
        subjects = frozenset(subject for subject, revision in self.changed.items() if revision > since)
        return StateChanges(revision=self.counter, subjects=None if self.too_many else subjects)

    def start(self) -> None:
        """As the port."""

    async def revision(self) -> int:
        """As the port; ``seen`` stands for what a watch saw last, where that is not the present."""
        if self.unavailable:
            raise TokenStatesUnavailable
        return self.counter if self.seen is None else self.seen

    def close(self) -> None:
        """As the port."""


@dataclass
class MemoryVerifier:
    """``services.token_ports.TokenVerifier`` that takes any text for the one token of a kind, or refuses it."""

    refusal: TokenRefusal | None = None
    seen: list[tuple[str, TokenKind]] = field(default_factory=list)
    kept: int = 0

    async def keep_current(self) -> None:
        """As the port."""
        self.kept += 1

    def take_over(self) -> None:
        """As the port."""

    def verify(self, unverified: str, kind: TokenKind) -> VerifiedToken:
        """As the port."""
        self.seen.append((unverified, kind))
        if self.refusal is not None:
            raise TokenRefused(self.refusal)
        return token_of(f"{kind.value}-1", jti=kind.value, kind=kind)
