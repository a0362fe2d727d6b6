"""What the services need of whoever keeps users, looks at passwords and counts attempts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from signer.domain.events import Event
from signer.domain.login_limits import LoginPlace
from signer.domain.people import Membership
from signer.domain.users import Password, User, UserSecrets
from signer.services.approval_ports import Permit


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPassword:
    """A password is the one that is kept.

    Attributes:
        kept: the hash that it was compared with.
        renewed: one of the present cost, where that of ``kept`` is another; of a password that logs in once, used up.
    """

    kept: str = field(repr=False)
    renewed: str | None = field(default=None, repr=False)


class Passwords(Protocol):
    """Looks at passwords, a bounded number at a time, in threads of its own."""

    def admitted(self) -> AbstractContextManager[None]:
        """A place for all that one caller looks at; raises ``LoginsBusy``."""

    def hash(self, password: Password) -> Future[str]:
        """What is kept of it."""

    def check(
        self, kept: str | None, password: Password, *, logging_in: bool = False, bcrypt_cost: int | None = None
    ) -> Future[CheckedPassword]:
        """Ends in ``PasswordRejected`` unless it is the one that is kept. ``kept``: None where there is nobody.

        ``logging_in``: a password that logs in once is used up by this, and rejected if it was. ``bcrypt_cost``: the
        look takes at least as long as one at a hash of bcrypt of this cost.
        """


class SeedSeal(Protocol):
    """Seals seeds of second factors for a database that others may read and write."""

    def seal(self, user_id: str, seed: bytes) -> bytes:
        """The seed as the database may have it; raises ``SealKeyUnusable``."""

    def opened(self, user_id: str, sealed: bytes) -> bytes:
        """The seed; raises ``SealKeyUnusable``, or ``SeedUnreadable``."""


class Standings(Protocol):
    """Tells whose an identity is, and in which groups."""

    def standing(self, identity: str, *, person: str | None = None) -> Membership:
        """Person and groups, whether or not the person is disabled. ``person``: who it is said to be."""


class LoginLimits(Protocol):
    """Counts attempts to log in, for all workers and machines together."""

    def begin(self, places: Sequence[LoginPlace], at: datetime) -> None:
        """One more attempt at all of the places; raises ``TooManyAttempts``, and then it counts at none."""

    def succeeded(self, places: Sequence[LoginPlace]) -> None:
        """The attempt was none that has to be counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user to be recorded."""

    id: str
    email: str
    person: str | None
    roles: tuple[str, ...]
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a login ends with.

    Attributes:
        secrets: the user as they were when password and code were looked at.
        jti: of the token that was made for it.
        step: the time step that is used up; None without a second factor.
        renewed_hash: to be kept in the place of the present one.
        origin: where it came from, as ``domain.login_limits`` has it; None where no address is believed.
    """

    secrets: UserSecrets
    jti: str
    step: int | None
    renewed_hash: str | None = field(repr=False)
    origin: bytes | None


class UserStore(Protocol):
    """Users. Every write is one transaction, durable when the call returns, with the event that tells of it.

    With a ``permit`` it raises ``AccessMovedError`` where that was given under another revision of access.
    """

    def users(self) -> tuple[User, ...]:
        """All by address, disabled ones too."""

    def user(self, user_id: str) -> User:
        """One; raises ``UserNotFound``."""

    def named(self, email: str) -> User:
        """The one of this address; raises ``UserNotFound``."""

    def secrets(self, user_id: str) -> UserSecrets:
        """One, with what proves them; raises ``UserNotFound``."""

    def bcrypt_cost(self) -> int | None:
        """The highest cost of the hashes of bcrypt on record; None: there are none."""

    def login_secrets(self, email: str) -> UserSecrets | None:
        """Whoever has this address and may log in: neither the user nor the person is disabled; None for nobody."""

    def add(self, new: NewUser, event: Event, *, permit: Permit | None = None) -> User:
        """Record a user; raises ``UserEmailTaken``, ``PersonNotFound`` or ``PersonDisabled``."""

    def disable(self, user_id: str, event: Event) -> bool:
        """End all tokens, and let nobody log in; False where that was so. Raises ``UserNotFound``."""

    def enable(self, user_id: str, event: Event, *, permit: Permit | None = None) -> bool:
        """Let them log in again; False where they could. Raises ``UserNotFound``."""

    def delete(self, user_id: str, event: Event) -> None:
        """Forget the user, and end all tokens; raises ``UserNotFound``."""

    def set_roles(self, user_id: str, roles: tuple[str, ...], event: Event) -> bool:
        """Other roles; False where they are these. Raises ``UserNotFound``."""

    def set_password(
        self,
        user_id: str,
        password_hash: str,
        event: Event,
        *,
        kept: str | None = None,
        spared: str | None = None,
        permit: Permit | None = None,
    ) -> None:
        """Another password, and the end of all sessions but ``spared``, a jti.

        ``kept``: the hash that has to be on record; raises ``UserChanged`` where it is another, or ``UserNotFound``.
        """

    def set_seed(self, user_id: str, sealed: bytes | None, event: Event, *, permit: Permit | None = None) -> None:
        """A seed that is not confirmed, or none; raises ``UserNotFound``."""

    def confirm_seed(self, user_id: str, sealed: bytes, step: int, event: Event) -> None:
        """From now on a code is asked for; raises ``UserChanged`` where the seed on record is another."""

    def use_step(self, user_id: str, step: int) -> None:
        """Use a time step up; raises ``SecondFactorRejected`` where it, or a later one, was used."""

    def known_origin(self, email: str, origin: bytes) -> bool:
        """Whether the user of this address logged in from there not long ago."""

    def complete(self, completion: Completion) -> None:
        """The login counts: the step is used, the oldest sessions beyond what one may have end.

        Raises ``LoginRefused`` where the user is no longer as they were, or the step was used: then the token ends.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalToken:
    """A personal access token on record. ``last_used_at``: to about a minute."""

    jti: str
    name: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHolder:
    """Whose a token is that holds, and what it is called; None for the token of a login."""

    user: User
    name: str | None


class UserTokenStore(Protocol):
    """The tokens of users, as far as they are on record."""

    def holder(self, jti: str, user_id: str) -> TokenHolder | None:
        """Whose it is; None where it has ended, or the user or the person is disabled."""

    def personal_tokens(self, user_id: str) -> tuple[PersonalToken, ...]:
        """Those that hold, the oldest first."""

    def end(self, jti: str, user_id: str, event: Event, *, personal: bool = False) -> bool:
        """Let one token prove nothing any more; False where it did not, or ``personal`` is asked for and it is none."""

    def note_uses(self, token_ids: Collection[str], at: datetime) -> None:
        """The tokens were used until now; written only where what is on record is about a minute old."""
