"""Users, for those who look after them: each change with the event that tells of it, before and after.

Who manages users and does not administer makes nobody who may do more than they may, and changes none. Ending what
somebody may is for everybody who manages users.

What lets somebody log in as a person who approves what keys sign waits for others who do; it raises what
``ApprovalDesk.given`` raises.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from signer.domain.access.actions import Action
from signer.domain.access.giving import rule_beyond
from signer.domain.events import EventType
from signer.domain.identity import Identity, principals_of
from signer.domain.reasons import checked_reason
from signer.domain.user_events import user_event
from signer.domain.users import User, checked_email, checked_roles, identity_name, new_password
from signer.errors import AccessDenied
from signer.services import guarded
from signer.services.access import Access
from signer.services.approval_ports import Permit
from signer.services.change_guard import ChangeGuard
from signer.services.policies import Policies
from signer.services.user_ports import NewUser, Passwords, Standings, UserStore

# Of looking at a password, or of waiting for that.
WAIT_SECONDS = 30.0
NOBODY = frozenset[str]()
Result = TypeVar("Result")
Guard = Callable[[frozenset[str]], None]
"""Raises ``AccessDenied`` unless whoever has these principals may be given to."""


def unguarded(_principals: frozenset[str]) -> None:
    """On the machine itself no rule is asked."""


class Giving:
    """What an identity may give."""

    def __init__(self, *, access: Access, policies: Policies) -> None:
        self._access = access
        self._policies = policies

    def guard(self, giver: Identity) -> Guard:
        """For this giver."""

        def check(given: frozenset[str]) -> None:
            try:
                self._access.require(giver, Action.ADMINISTER)
            except AccessDenied:
                # What its own scope takes from a credential it cannot give.
                own = giver.principals if giver.scope is None else NOBODY
                rule = rule_beyond(self._policies.present(), giver=own, given=given)
                if rule is None:
                    return
                reason = f"the rule {rule.name} would let this user do what {giver.name} may not"
                raise AccessDenied(identity=giver.name, reason=reason, rule=rule.name) from None

        return check


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRequest:
    """A user to be made, as it was asked for."""

    unverified_email: str
    unverified_password: str = field(repr=False)
    unverified_roles: tuple[str, ...]
    person: str | None = None


class UserAdministration:
    """Keeps users. Safe for threads. ``actor``: who asks, as leaves name them."""

    def __init__(self, *, store: UserStore, standings: Standings, passwords: Passwords, approvals: ChangeGuard) -> None:
        self._store = store
        self._approvals = approvals
        self._standings = standings
        self._passwords = passwords

    def users(self) -> tuple[User, ...]:
        """All by address, disabled ones too."""
        return self._store.users()

    def user(self, user_id: str) -> User:
        """One; raises ``UserNotFound``."""
        return self._store.user(user_id)

    def named(self, unverified_email: str) -> User:
        """The one of this address; raises ``UserNotFound``."""
        return self._store.named(unverified_email.lower())

    def create(self, request: UserRequest, *, actor: str, guard: Guard) -> User:
        """Somebody new; raises ``UserFactsInvalid``, ``PasswordRefused``, ``UserEmailTaken``, ``PersonNotFound``,
        ``PersonDisabled``, ``IdentityAssigned``, ``AccessDenied`` or ``LoginsBusy``.
        """
        email, roles = checked_email(request.unverified_email), checked_roles(request.unverified_roles)
        password = new_password(request.unverified_password, email=email)
        guard(self._principals(email, request.person, roles))
        with self._passwords.admitted():
            kept = self._passwords.hash(password).result(WAIT_SECONDS)
        new = NewUser(id=str(uuid.uuid4()), email=email, person=request.person, roles=roles, password_hash=kept)
        event = user_event(EventType.USER_CREATED, new, actor=actor, person=new.person, roles=list(roles))
        return self._guarded(actor, "making", new, lambda permit: self._store.add(new, event, permit=permit))

    def disable(self, user: User, *, reason: str, actor: str) -> bool:
        """End all tokens, and let nobody log in; False where that was so."""
        event = user_event(EventType.USER_DISABLED, user, actor=actor, reason=checked_reason(reason))
        return self._store.disable(user.id, event)

    def enable(self, user: User, *, reason: str, actor: str, guard: Guard) -> bool:
        """Let them log in again; False where they could."""
        guard(self._principals_of(user))
        event = user_event(EventType.USER_ENABLED, user, actor=actor, reason=checked_reason(reason))
        if user.disabled_at is None:
            return False
        return self._guarded(actor, "enabling", user, lambda permit: self._store.enable(user.id, event, permit=permit))

    def delete(self, user: User, *, actor: str) -> None:
        """Forget the user, and end all tokens."""
        self._store.delete(user.id, user_event(EventType.USER_DELETED, user, actor=actor))

    def set_roles(self, user: User, unverified_roles: Iterable[str], *, actor: str, guard: Guard) -> bool:
        """Other roles; False where they are these."""
        roles = checked_roles(unverified_roles)
        guard(self._principals_of(user))
        guard(self._principals(user.email, user.person, roles))
        before: dict[str, object] = {"roles": list(user.roles)}
        event = user_event(EventType.USER_CHANGED, user, actor=actor, before=before, roles=list(roles))
        return self._store.set_roles(user.id, roles, event)

    def set_password(self, user: User, unverified_password: str, *, actor: str, guard: Guard) -> None:
        """Another password, for somebody who has lost theirs, and the end of all sessions."""
        password = new_password(unverified_password, email=user.email)
        guard(self._principals_of(user))
        with self._passwords.admitted():
            kept = self._passwords.hash(password).result(WAIT_SECONDS)
        event = user_event(EventType.USER_PASSWORD_CHANGED, user, actor=actor, because="reset")
        self._guarded(
            actor,
            "another password",
            user,
            lambda permit: self._store.set_password(user.id, kept, event, permit=permit),
        )

    def reset_second_factor(self, user: User, *, reason: str, actor: str, guard: Guard) -> bool:
        """Ask for no code any more, for somebody who has lost what makes them; False where none was asked for."""
        if self._store.secrets(user.id).sealed_seed is None:
            return False
        guard(self._principals_of(user))
        event = user_event(
            EventType.USER_SECOND_FACTOR_CHANGED, user, actor=actor, state="reset", reason=checked_reason(reason)
        )
        self._guarded(
            actor,
            "the reset second factor",
            user,
            lambda permit: self._store.set_seed(user.id, None, event, permit=permit),
        )
        return True

    def _guarded(self, actor: str, step: str, user: User | NewUser, act: Callable[[Permit], Result]) -> Result:
        """What lets somebody log in as a person waits for those who approve what that person may."""
        return self._approvals.carry_out(
            actor,
            lambda policy, circle: guarded.logs_in(policy, circle, (user.email, user.person), step, user.roles),
            act,
        )

    def _principals_of(self, user: User) -> frozenset[str]:
        return self._principals(user.email, user.person, user.roles)

    def _principals(self, email: str, person: str | None, roles: tuple[str, ...]) -> frozenset[str]:
        name = identity_name(email)
        standing = self._standings.standing(name, person=person)
        return principals_of(name, standing.person, standing.groups, roles)
