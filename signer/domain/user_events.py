"""Events about users: who is meant, and what changed. Neither a hash, a seed nor a token is in one."""

from __future__ import annotations

from typing import Protocol

from signer.domain.events import Event, EventType

Facts = dict[str, object]


class Named(Protocol):
    """A user on record, or one to be recorded."""

    @property
    def id(self) -> str:
        """A UUID."""

    @property
    def email(self) -> str:
        """In lower case."""


def user_event(kind: EventType, user: Named, *, actor: str, before: Facts | None = None, **after: object) -> Event:
    """What happened to the user; what ``after`` does not have is left out."""
    facts = {
        "user": user.id,
        "email": user.email,
        **{name: value for name, value in after.items() if value is not None},
    }
    return Event(type=kind, actor=actor, key=None, version=None, before=before or {}, after=facts)
