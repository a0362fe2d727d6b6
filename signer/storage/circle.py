"""Who there is now, in SQL: people who are enabled, whose identities are whose, and who is in which group."""

from __future__ import annotations

from sqlalchemy import Connection, select

from signer.domain.api_tokens import KIND
from signer.domain.approvals import Circle
from signer.domain.people import PERSON_PREFIX
from signer.domain.users import identity_name
from signer.storage.access_tables import group_members, groups, identity_people, people
from signer.storage.tables import api_tokens
from signer.storage.user_tables import users


def read_circle(connection: Connection) -> Circle:
    """It, in the caller's transaction or snapshot."""
    return Circle(
        people=frozenset(connection.execute(select(people.c.name).where(people.c.disabled_at.is_(None))).scalars()),
        holders=_holders(connection),
        groups=_groups(connection),
    )


def _holders(connection: Connection) -> dict[str, str]:
    found = {row.identity: row.person for row in connection.execute(select(identity_people))}
    for token in connection.execute(
        select(api_tokens.c.name, api_tokens.c.person, api_tokens.c.revoked_at, api_tokens.c.suspended_at)
    ):
        identity = f"{KIND}:{token.name}"
        if token.revoked_at is not None or token.suspended_at is not None:
            # What a stolen token has said ends with it.
            found.pop(identity, None)
        elif token.person is not None:
            found[identity] = token.person
    for user in connection.execute(select(users.c.email, users.c.person).where(users.c.person.is_not(None))):
        found[identity_name(user.email)] = user.person
    return found


def _groups(connection: Connection) -> dict[str, frozenset[str]]:
    gathered: dict[str, set[str]] = {name: set() for name in connection.execute(select(groups.c.name)).scalars()}
    for row in connection.execute(select(group_members)):
        if row.member.startswith(PERSON_PREFIX):
            gathered.setdefault(row.group_name, set()).add(row.member.removeprefix(PERSON_PREFIX))
    return {name: frozenset(members) for name, members in gathered.items()}
