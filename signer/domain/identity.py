"""Who asks. An identity exists only after a credential was proved; each method has its own, with its facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from signer.domain.access.actions import Action
from signer.domain.access.patterns import Patterns


class Role(StrEnum):
    """What an identity is trusted with, over all keys."""

    ADMINISTRATOR = "administrator"  # everything
    OPERATOR = "operator"  # manage keys and read
    SIGNER = "signer"  # sign, and read what devices and people need
    AUDITOR = "auditor"  # read only, the log too
    READER = "reader"  # read only


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a credential itself is limited to. It takes away from what rules give, and gives nothing.

    ``keys``: which keys, for actions that are done with one.
    """

    keys: Patterns
    actions: frozenset[Action]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An authenticated caller.

    Attributes:
        name: what rules, logs and leaves call it: ``api-token:NAME``, ``mtls:CA:VALUE``, ``ci:ISSUER/ID`` or
            ``user:EMAIL``.
        role: a name on its credential that rules may use, nothing more.
        person: the name of the person it belongs to.
        groups: those of the identity and of its person.
        scope: what its credential is limited to; None: everything that rules give it.
        expires_at: the end of its credential, aware UTC; whoever authenticates looks at it on each request.
        principals: every name by which a rule may mean it.
    """

    name: str
    role: str | None = None
    person: str | None = None
    groups: frozenset[str] = frozenset()
    scope: Scope | None = None
    expires_at: datetime | None = None
    principals: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "principals", principals_of(self.name, self.person, self.groups, self._roles))

    @property
    def _roles(self) -> tuple[str, ...]:
        return () if self.role is None else (self.role,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTokenIdentity(Identity):
    """Proved by an API token. ``token_id``: the public part of its text."""

    token_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateIdentity(Identity):
    """Proved by a client certificate.

    Attributes:
        ca: the name of the configured client CA that issued it.
        field: the part of the certificate that names the identity; ``value``: what stands there.
        serial: its serial number, lowercase hex; ``sha256``: of its DER, lowercase hex.
        not_after: its last moment, aware UTC.
    """

    ca: str
    field: str
    value: str
    serial: str
    sha256: str
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CiIdentity(Identity):
    """Proved by the session that the token of a pipeline was exchanged for.

    Attributes:
        issuer: the configured name of the issuer; ``id``: the number that it gave to what runs.
        claims: what the token said that rules and people look at.
        session_id: of the session.
    """

    issuer: str
    id: str
    claims: Mapping[str, str] = field(hash=False)
    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserIdentity(Identity):
    """Proved by a token of a user.

    Attributes:
        user_id: of the user; ``jti``: of the token.
        token_name: of a personal access token; None for that of a login.
        roles: names that rules may use; a user has several.
    """

    user_id: str
    jti: str
    token_name: str | None
    roles: tuple[str, ...] = ()

    @property
    def _roles(self) -> tuple[str, ...]:
        return self.roles


def principals_of(name: str, person: str | None, groups: Iterable[str], roles: Iterable[str]) -> frozenset[str]:
    """Every name by which a rule may mean whoever has these."""
    names = {name, *(f"group:{group}" for group in groups), *(f"role:{role}" for role in roles)}
    if person is not None:
        names.add(f"person:{person}")
    return frozenset(names)
