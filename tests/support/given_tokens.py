"""Stands for what issues tokens: notes who got one."""

from __future__ import annotations

from datetime import UTC, datetime

from signer.domain.token_claims import DeviceSubject, IssuedToken, UserSubject
from signer.errors import SubjectRefused, TokensLimited


class GivenTokens:
    """``services.token_ports.TokenIssuer`` that signs nothing. ``refuses``, ``limits``: what it does instead."""

    def __init__(self) -> None:
        self.given: list[tuple[DeviceSubject | UserSubject, str, str]] = []
        self.refuses = False
        self.limits = False

    async def issue(self, subject: DeviceSubject | UserSubject, *, actor: str, request_id: str) -> IssuedToken:
        """As the port."""
        if self.refuses:
            raise SubjectRefused
        if self.limits:
            raise TokensLimited(retry_after=42.0)
        self.given.append((subject, actor, request_id))
        return IssuedToken(text="a.b.c", jti="j", expires_at=datetime(2099, 1, 1, tzinfo=UTC))
