"""Logging in: an address, a password and, where one is enrolled, a code come in; a token goes out.

1. Whoever fails learns that, and nothing else; what failed is for the service's log.
2. An attempt counts before anything is looked at, so that many at once are as many. One that succeeds is taken back.
3. A look at a password is made whether or not there is such a user, and costs the same.
4. A token leaves when the login counts: after its record is durable, and where the user is still as they were.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from signer.domain.login_limits import LoginRates, origin_of
from signer.domain.one_time_codes import used_step
from signer.domain.token_claims import IssuedToken, UserSubject
from signer.domain.users import Password, User, UserSecrets, checked_email
from signer.errors import SubjectRefused
from signer.errors.users import (
    LoginRefusal,
    LoginRefused,
    PasswordRejected,
    SecondFactorRejected,
    SeedUnreadable,
    UserFactsInvalid,
)
from signer.services.ports import Clock
from signer.services.token_ports import TokenIssuer
from signer.services.user_ports import CheckedPassword, Completion, LoginLimits, Passwords, SeedSeal, UserStore


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAttempt:
    """What somebody typed, and from where.

    Attributes:
        address: the client's IP address where one can be believed.
        request_id: for the log.
    """

    unverified_email: str
    password: Password
    unverified_code: str | None = field(default=None, repr=False)
    address: str | None = None
    request_id: str


class Login:
    """For one event loop."""

    def __init__(
        self,
        *,
        store: UserStore,
        passwords: Passwords,
        seal: SeedSeal,
        limits: LoginLimits,
        rates: LoginRates,
        issuer: TokenIssuer,
        clock: Clock,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._seal = seal
        self._limits = limits
        self._rates = rates
        self._issuer = issuer
        self._clock = clock

    async def login(self, attempt: LoginAttempt) -> IssuedToken:
        """A token of the user.

        Raises ``LoginRefused``, ``TooManyAttempts``, ``LoginsBusy``, ``SealKeyUnusable``, what ``TokenIssuer`` raises,
        or what the database raises.
        """
        email = _claimed(attempt.unverified_email)
        with self._passwords.admitted():
            origin = origin_of(attempt.address)
            known = origin is not None and await asyncio.to_thread(self._store.known_origin, email, origin)
            places = self._rates.places(email, attempt.address, known=known)
            await asyncio.to_thread(self._limits.begin, places, self._clock())
            secrets, checked = await self._proved(attempt, email)
        step = self._step(secrets, attempt)
        token = await self._token(secrets.user, attempt)
        completion = Completion(secrets=secrets, jti=token.jti, step=step, renewed_hash=checked.renewed, origin=origin)
        await asyncio.to_thread(self._store.complete, completion)
        await asyncio.to_thread(self._limits.succeeded, places)
        return token

    async def _proved(self, attempt: LoginAttempt, email: str) -> tuple[UserSecrets, CheckedPassword]:
        cost = await asyncio.to_thread(self._store.bcrypt_cost)
        secrets = await asyncio.to_thread(self._store.login_secrets, email)
        kept = None if secrets is None else secrets.password_hash
        try:
            look = self._passwords.check(kept, attempt.password, logging_in=True, bcrypt_cost=cost)
            checked = await asyncio.wrap_future(look)
        except PasswordRejected:
            reason = LoginRefusal.NO_SUCH_USER if secrets is None else LoginRefusal.WRONG_PASSWORD
            raise LoginRefused(reason=reason) from None
        if secrets is None:
            raise LoginRefused(reason=LoginRefusal.NO_SUCH_USER)
        return secrets, checked

    def _step(self, secrets: UserSecrets, attempt: LoginAttempt) -> int | None:
        """The time step of the code; None where none is asked for."""
        if not secrets.user.second_factor:
            return None
        if attempt.unverified_code is None:
            raise LoginRefused(reason=LoginRefusal.CODE_MISSING)
        try:
            seed = self._seal.opened(secrets.user.id, secrets.sealed_seed or b"")
            return used_step(seed, attempt.unverified_code, at=self._clock(), last=secrets.last_step)
        except SecondFactorRejected:
            raise LoginRefused(reason=LoginRefusal.WRONG_CODE) from None
        except SeedUnreadable:
            raise LoginRefused(reason=LoginRefusal.SEED_UNREADABLE) from None

    async def _token(self, user: User, attempt: LoginAttempt) -> IssuedToken:
        subject = UserSubject(user_id=user.id)
        try:
            return await self._issuer.issue(subject, actor=user.identity_name, request_id=attempt.request_id)
        except SubjectRefused:
            raise LoginRefused(reason=LoginRefusal.USER_CHANGED) from None


def _claimed(unverified_email: str) -> str:
    """The address as it is counted; nobody has one that is none, and it is counted all the same."""
    try:
        return checked_email(unverified_email)
    except UserFactsInvalid:
        return unverified_email.lower()
