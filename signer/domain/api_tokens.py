"""API tokens: what is on record of them. The secret part is nowhere on record, only its hash."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from typing_extensions import TypedDict

from signer.domain.access.actions import Action
from signer.domain.access.patterns import ANYTHING, Patterns
from signer.domain.identity import ApiTokenIdentity, Scope
from signer.domain.people import Membership
from signer.domain.timestamps import Moment, rfc3339

KIND = "api-token"


class ApiTokenDocument(TypedDict):
    """The JSON form of a token on record."""

    id: str
    name: str
    role: str | None
    person: str | None
    keys: list[str] | None
    actions: list[Action] | None
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None
    revoked_at: Moment | None
    suspended_at: Moment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiToken:
    """A token to be made.

    Attributes:
        name: it follows the rules of key names, and is used once.
        role: a name that rules may use; None: rules can mean the token by its own name alone.
        person: whose it is; None: nobody's.
        scope: what it is limited to; None: everything that rules give it.
        expires_at: its end, aware UTC; None: it holds until it is revoked.
    """

    name: str
    role: str | None = None
    person: str | None = None
    scope: Scope | None = None
    expires_at: datetime | None = None

    @property
    def facts(self) -> dict[str, object]:
        """What the log says of it; what it does not have is left out."""
        facts = {
            "name": self.name,
            "role": self.role,
            "person": self.person,
            "expires_at": rfc3339(self.expires_at),
            **_scope_members(self.scope),
        }
        return {name: value for name, value in facts.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken(NewApiToken):
    """A token on record.

    Attributes:
        id: the public part of its text.
        last_used_at: to about a minute; None where it was not used since that is kept.
    """

    id: str
    created_at: datetime
    revoked_at: datetime | None = None
    suspended_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def identity_name(self) -> str:
        """The name of the identity that it proves."""
        return f"{KIND}:{self.name}"

    def proves(self, at: datetime) -> bool:
        """Whether it proves anything at this moment."""
        ended = self.expires_at is not None and at >= self.expires_at
        return self.revoked_at is None and self.suspended_at is None and not ended

    def identity(self, member: Membership) -> ApiTokenIdentity:
        """Whom it proves; ``member``: whose it is and in which groups."""
        return ApiTokenIdentity(
            name=self.identity_name,
            role=self.role,
            person=member.person,
            groups=member.groups,
            scope=self.scope,
            expires_at=self.expires_at,
            token_id=self.id,
        )

    @property
    def document(self) -> ApiTokenDocument:
        """Its JSON form."""
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "person": self.person,
            "keys": None if self.scope is None else list(self.scope.keys.texts),
            "actions": None if self.scope is None else _in_order(self.scope.actions),
            "created_at": rfc3339(self.created_at),
            "expires_at": rfc3339(self.expires_at),
            "last_used_at": rfc3339(self.last_used_at),
            "revoked_at": rfc3339(self.revoked_at),
            "suspended_at": rfc3339(self.suspended_at),
        }


def scope_of(keys: Iterable[str] | None, actions: Iterable[str] | None) -> Scope | None:
    """The scope that patterns of keys and names of actions say; None where neither says anything.

    Where only one is given the other is not limited. Raises ``ValueError`` for what is no pattern or no action.
    """
    if keys is None and actions is None:
        return None
    return Scope(
        keys=Patterns.of(*((ANYTHING,) if keys is None else keys)),
        actions=frozenset(Action) if actions is None else frozenset(Action(name) for name in actions),
    )


def _scope_members(scope: Scope | None) -> dict[str, object]:
    if scope is None:
        return {}
    return {
        "keys": scope.keys.texts,
        "actions": _in_order(scope.actions),
    }


def _in_order(actions: Collection[Action]) -> list[Action]:
    return [action for action in Action if action in actions]
