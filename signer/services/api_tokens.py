"""API tokens are made, listed, revoked and taken back here, whoever asks: over the API, or on the database itself.

1. The text of a token is told once, by ``create``.
2. Nothing here decides who may: over the API that is the action ``administer``, on the database whoever can open it.
3. A revoked token stays on record and its name is not used again: events and logs go on to mean one token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from signer.domain.api_tokens import KIND, ApiToken, NewApiToken
from signer.domain.events import Event, EventType
from signer.domain.keys import checked_name
from signer.domain.timestamps import rfc3339
from signer.errors import ApiTokenExpiryPast, ApiTokenNotFound
from signer.services import guarded
from signer.services.access_ports import ApiTokenStore, MadeApiToken
from signer.services.approval_ports import Permit
from signer.services.change_guard import ChangeGuard
from signer.services.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedApiToken:
    """A token that was made. ``text``: the only copy of it."""

    token: ApiToken
    text: str

    def __repr__(self) -> str:
        return f"IssuedApiToken(token={self.token!r})"


class ApiTokenService:
    """What can be done with API tokens. ``make``: makes the text of one."""

    def __init__(
        self, *, store: ApiTokenStore, make: Callable[[], MadeApiToken], clock: Clock, guard: ChangeGuard
    ) -> None:
        self._store = store
        self._guard = guard
        self._make = make
        self._clock = clock

    def create(self, new: NewApiToken, *, actor: str, lifetime: timedelta | None = None) -> IssuedApiToken:
        """Make a token. With a ``lifetime`` that begins now it says when the token ends.

        Raises ``InvalidName``, ``ApiTokenExpiryPast``, ``ApiTokenNameTaken``, ``PersonNotFound``, ``PersonDisabled``,
        and what ``ApprovalDesk.given`` raises where the person approves what keys sign.
        """
        for name in (new.name, new.role, new.person):
            if name is not None:
                checked_name(name)
        if lifetime is not None:
            new = replace(new, expires_at=(self._clock() + lifetime).replace(microsecond=0))
        if new.expires_at is not None and new.expires_at <= self._clock():
            raise ApiTokenExpiryPast(expires_at=new.expires_at)
        made, seconds = self._make(), None if lifetime is None else lifetime.total_seconds()

        def add(permit: Permit | None) -> None:
            event = _event(EventType.API_TOKEN_CREATED, actor, after=new.facts)
            self._store.add(token_id=made.id, new=new, secret_sha256=made.secret_sha256, event=event, permit=permit)

        if new.person is None and self._guard.holder(f"{KIND}:{new.name}") is None:
            # Nobody's: no rule is asked, so that there is a way back whatever policy is in force.
            add(None)
        else:
            self._guard.carry_out(actor, lambda policy, circle: guarded.issued(policy, circle, new, seconds), add)
        return IssuedApiToken(token=self.token(new.name), text=made.text)

    def all_tokens(self) -> tuple[ApiToken, ...]:
        """All by name, revoked ones too."""
        return self._store.all_tokens()

    def token(self, name: str) -> ApiToken:
        """One; raises ``ApiTokenNotFound``."""
        found = self._store.named(name)
        if found is None:
            raise ApiTokenNotFound(name=name)
        return found

    def revoke(self, name: str, *, actor: str) -> bool:
        """Let a token prove nothing any more; False where it was revoked before. Raises ``ApiTokenNotFound``."""
        before = self.token(name)
        facts = {"name": name, "last_used_at": rfc3339(before.last_used_at)} if before.last_used_at else {"name": name}
        return self._store.revoke(name, _event(EventType.API_TOKEN_REVOKED, actor, after=facts))

    def reinstate(self, name: str, *, reason: str, actor: str) -> bool:
        """Take a suspended token back with the secret that it has; False where it is not suspended.

        Raises ``ApiTokenNotFound``.
        """
        facts = {"name": name, "reason": reason}
        return self._store.reinstate(name, _event(EventType.API_TOKEN_REINSTATED, actor, after=facts))


def _event(kind: EventType, actor: str, *, after: Mapping[str, object]) -> Event:
    return Event(type=kind, actor=actor, key=None, version=None, before={}, after=after)
