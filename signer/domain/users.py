"""Users: people who log in with an address and a password, and what is on record of them.

1. Addresses are kept in lower case; what a user is called, ``user:EMAIL``, never changes.
2. Roles are names that rules may use, and nothing more.
3. A password is printable ASCII: clients disagree about how anything else is written into a header. It stands neither
   in the address, nor the address in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from signer.domain.access.reading import is_principal
from signer.domain.keys import is_name
from signer.errors.users import PasswordProblem, PasswordRefused, UserFactsInvalid

KIND = "user"
# What the rules of a new installation call those who look after devices.
DEFAULT_ROLE = "device-manager"
# With what stands before it, it fits into the longest name of an identity.
MAX_EMAIL = 195
MAX_ROLES = 16
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 256
# No colon: HTTP's Basic ends the name there (RFC 7617 section 2). No asterisk: names in rules have none.
_EMAIL = re.compile(r"[!#-)+-9;-?A-~]{1,64}@[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_PASSWORD = re.compile(r"[ -~]+")


@dataclass(frozen=True, slots=True, repr=False)
class Password:
    """Somebody's words, right or wrong. Its text is in no ``repr``."""

    text: str

    def __repr__(self) -> str:
        return "Password(…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user on record.

    Attributes:
        id: a UUID, for ever.
        email: in lower case.
        person: the name of the person behind it; None: nobody's.
        roles: names that rules may use, sorted.
        second_factor: whether logging in takes a code too.
    """

    id: str
    email: str
    person: str | None
    roles: tuple[str, ...]
    second_factor: bool
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = None
    last_login_at: datetime | None = None

    @property
    def identity_name(self) -> str:
        """The name of the identity that its tokens prove."""
        return identity_name(self.email)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSecrets:
    """A user, and what proves them.

    Attributes:
        password_hash: of Argon2, in its encoded form.
        sealed_seed: of the second factor, also before it is confirmed.
        last_step: the newest time step of which a code was used.
    """

    user: User
    password_hash: str = field(repr=False)
    sealed_seed: bytes | None = field(default=None, repr=False)
    last_step: int | None = None


def identity_name(email: str) -> str:
    """What rules call the user of this address."""
    return f"{KIND}:{email}"


def checked_email(unverified: str) -> str:
    """The address in lower case; raises ``UserFactsInvalid``."""
    email = unverified.lower()
    if len(email) > MAX_EMAIL or _EMAIL.fullmatch(email) is None or not is_principal(identity_name(email)):
        raise UserFactsInvalid(member="email")
    return email


def checked_roles(unverified: Iterable[str]) -> tuple[str, ...]:
    """The roles, sorted, each once; raises ``UserFactsInvalid``."""
    roles = tuple(sorted(set(unverified)))
    if len(roles) > MAX_ROLES or not all(map(is_name, roles)):
        raise UserFactsInvalid(member="roles")
    return roles


def new_password(unverified: str, *, email: str) -> Password:
    """A password that the user may have; raises ``PasswordRefused``."""
    problem = _problem(unverified, email)
    if problem is not None:
        raise PasswordRefused(problem=problem)
    return Password(unverified)


def _problem(text: str, email: str) -> PasswordProblem | None:
    if len(text) < SHORTEST_PASSWORD:
        return PasswordProblem.TOO_SHORT
    if len(text) > LONGEST_PASSWORD:
        return PasswordProblem.TOO_LONG
    if _PASSWORD.fullmatch(text) is None:
        return PasswordProblem.NOT_ASCII
    lowered = text.lower()
    if lowered in email or email in lowered:
        return PasswordProblem.LIKE_EMAIL
    return None
