"""What users do for themselves: their password, their second factor, the end of a session.

1. What changes how somebody logs in takes the password that they have, and counts like a login: who took a token over
   must not be able to guess it here.
2. A personal access token is for programs: it changes nothing of this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from signer.domain.events import EventType
from signer.domain.identity import Identity, UserIdentity
from signer.domain.login_limits import LoginRates, origin_of
from signer.domain.one_time_codes import SEED_BYTES, provisioning_uri, shown_seed, used_step
from signer.domain.user_events import user_event
from signer.domain.users import Password, User, UserSecrets, new_password
from signer.errors import AccessDenied
from signer.errors.users import CurrentPasswordWrong, PasswordRejected, SecondFactorEnrolled, SecondFactorNotEnrolled
from signer.services.ports import Clock
from signer.services.user_ports import (
    CheckedPassword,
    LoginLimits,
    Passwords,
    SeedSeal,
    UserStore,
    UserTokenStore,
)
from signer.services.users import WAIT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What somebody puts into their app, told this once: the seed in base32, or the address that a picture holds."""

    seed: str = field(repr=False)
    uri: str = field(repr=False)


def own(identity: Identity) -> UserIdentity:
    """The user who asks; raises ``AccessDenied`` where it is none."""
    if not isinstance(identity, UserIdentity):
        raise AccessDenied(identity=identity.name, reason=f"{identity.name} is no user, and has nothing of the kind")
    return identity


def logged_in(identity: Identity) -> UserIdentity:
    """The same, of who has logged in; raises ``AccessDenied`` for a personal access token."""
    user = own(identity)
    if user.token_name is not None:
        reason = "a personal access token changes nothing of how its user logs in, and makes no others"
        raise AccessDenied(identity=user.name, reason=reason)
    return user


class OwnUser:
    """Safe for threads. ``issuer``: what apps call this service."""

    def __init__(
        self,
        *,
        store: UserStore,
        tokens: UserTokenStore,
        passwords: Passwords,
        seal: SeedSeal,
        limits: LoginLimits,
        rates: LoginRates,
        clock: Clock,
        issuer: str,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._passwords = passwords
        self._seal = seal
        self._limits = limits
        self._rates = rates
        self._clock = clock
        self._issuer = issuer

    def user(self, identity: Identity) -> User:
        """Who asks."""
        return self._store.user(own(identity).user_id)

    def change_password(
        self, identity: Identity, current: Password, unverified_new: str, *, address: str | None
    ) -> None:
        """Another password, and the end of all other sessions.

        Raises ``CurrentPasswordWrong``, ``PasswordRefused``, ``TooManyAttempts``, ``LoginsBusy`` or ``UserChanged``.
        """
        me = logged_in(identity)
        secrets = self._store.secrets(me.user_id)
        password = new_password(unverified_new, email=secrets.user.email)
        with self._passwords.admitted(), self._counted(secrets, address):
            checked = self._checked(secrets, current)
            kept = self._passwords.hash(password).result(WAIT_SECONDS)
        event = user_event(EventType.USER_PASSWORD_CHANGED, secrets.user, actor=me.name, because="own")
        self._store.set_password(me.user_id, kept, event, kept=checked.kept, spared=me.jti)

    def enrol(self, identity: Identity, current: Password, *, address: str | None) -> Enrolment:
        """A seed, which counts once a code of it was shown; one that was not confirmed is forgotten.

        Raises ``SecondFactorEnrolled``, ``CurrentPasswordWrong``, ``SealKeyUnusable``, or what limits raise.
        """
        me = logged_in(identity)
        secrets = self._store.secrets(me.user_id)
        if secrets.user.second_factor:
            raise SecondFactorEnrolled
        with self._passwords.admitted(), self._counted(secrets, address):
            self._checked(secrets, current)
        seed = os.urandom(SEED_BYTES)
        event = user_event(EventType.USER_SECOND_FACTOR_CHANGED, secrets.user, actor=me.name, state="enrolled")
        self._store.set_seed(me.user_id, self._seal.seal(me.user_id, seed), event)
        uri = provisioning_uri(seed, email=secrets.user.email, issuer=self._issuer)
        return Enrolment(seed=shown_seed(seed), uri=uri)

    def confirm(self, identity: Identity, unverified_code: str) -> None:
        """From now on logging in takes a code; raises ``SecondFactorNotEnrolled`` or ``SecondFactorRejected``."""
        me = logged_in(identity)
        secrets = self._store.secrets(me.user_id)
        if secrets.user.second_factor:
            raise SecondFactorEnrolled
        if secrets.sealed_seed is None:
            raise SecondFactorNotEnrolled
        seed = self._seal.opened(me.user_id, secrets.sealed_seed)
        step = used_step(seed, unverified_code, at=self._clock(), last=None)
        event = user_event(EventType.USER_SECOND_FACTOR_CHANGED, secrets.user, actor=me.name, state="confirmed")
        self._store.confirm_seed(me.user_id, secrets.sealed_seed, step, event)

    def switch_off(self, identity: Identity, current: Password, unverified_code: str, *, address: str | None) -> None:
        """Logging in takes no code any more; raises ``SecondFactorNotEnrolled``, ``CurrentPasswordWrong``,
        ``SecondFactorRejected``, or what limits raise.
        """
        me = logged_in(identity)
        secrets = self._store.secrets(me.user_id)
        if not secrets.user.second_factor or secrets.sealed_seed is None:
            raise SecondFactorNotEnrolled
        with self._passwords.admitted(), self._counted(secrets, address):
            self._checked(secrets, current)
            seed = self._seal.opened(me.user_id, secrets.sealed_seed)
            step = used_step(seed, unverified_code, at=self._clock(), last=secrets.last_step)
            self._store.use_step(me.user_id, step)
        event = user_event(EventType.USER_SECOND_FACTOR_CHANGED, secrets.user, actor=me.name, state="off")
        self._store.set_seed(me.user_id, None, event)

    def log_out(self, identity: UserIdentity) -> None:
        """Let the token that was shown prove nothing any more."""
        user = self._store.user(identity.user_id)
        event = user_event(
            EventType.USER_TOKEN_ENDED, user, actor=identity.name, jti=identity.jti, because="logged-out"
        )
        self._tokens.end(identity.jti, identity.user_id, event)

    @contextmanager
    def _counted(self, secrets: UserSecrets, address: str | None) -> Iterator[None]:
        """An attempt, which counts unless what is done in it succeeds."""
        email, origin = secrets.user.email, origin_of(address)
        known = origin is not None and self._store.known_origin(email, origin)
        places = self._rates.places(email, address, known=known)
        self._limits.begin(places, self._clock())
        yield
        self._limits.succeeded(places)

    def _checked(self, secrets: UserSecrets, current: Password) -> CheckedPassword:
        try:
            return self._passwords.check(secrets.password_hash, current).result(WAIT_SECONDS)
        except PasswordRejected:
            raise CurrentPasswordWrong from None
