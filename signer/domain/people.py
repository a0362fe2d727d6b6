"""People and groups: who stands behind the identities, and what rules call several of them.

1. An identity belongs to at most one person; several of a person's are one vote, and end together.
2. Members of a group are principals: people, or identities that belong to nobody. Groups hold no groups.
3. Names are not used twice, and nothing is forgotten: a person who left is disabled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from signer.domain.access.reading import is_principal
from signer.domain.keys import is_name
from signer.errors import PrincipalInvalid

PERSON_PREFIX = "person:"
MAX_PRINCIPAL = 200
KINDS = frozenset({"api-token", "mtls", "ci", "user"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody. ``disabled_at``: since when no identity of theirs proves anything; None while they do."""

    name: str
    display: str
    email: str | None
    created_at: datetime
    disabled_at: datetime | None
    identities: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A name for several principals, in the order of their names."""

    name: str
    created_at: datetime
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Whose an identity is, and in which groups it is, by itself or with its person."""

    person: str | None = None
    groups: frozenset[str] = frozenset()


def checked_identity(unverified: str) -> str:
    """The name of an identity of one of ``KINDS``; raises ``PrincipalInvalid``."""
    kind, _, _ = unverified.partition(":")
    if kind not in KINDS or len(unverified) > MAX_PRINCIPAL or not is_principal(unverified):
        raise PrincipalInvalid(principal=unverified[:MAX_PRINCIPAL])
    return unverified


def checked_member(unverified: str) -> str:
    """What may be a member of a group: a person, or an identity; raises ``PrincipalInvalid``."""
    if not unverified.startswith(PERSON_PREFIX):
        return checked_identity(unverified)
    if not is_name(unverified.removeprefix(PERSON_PREFIX)):
        raise PrincipalInvalid(principal=unverified[:MAX_PRINCIPAL])
    return unverified
