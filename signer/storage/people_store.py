"""People, the identities that are theirs, and groups, in SQL.

An API token or a user that was made for a person says so in its own row, for life; other identities are assigned, and
taken back. With a person all tokens of their users end.

Each change moves the revision of access: what was known of identities anywhere is looked up again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from signer.domain.api_tokens import KIND
from signer.domain.events import Event
from signer.domain.people import PERSON_PREFIX, Group, Membership, Person
from signer.domain.users import KIND as USER_KIND
from signer.domain.users import identity_name
from signer.errors import (
    CredentialsRejected,
    GroupNameTaken,
    GroupNotFound,
    IdentityAssigned,
    IdentityNotAssigned,
    PersonDisabled,
    PersonNameTaken,
    PersonNotFound,
)
from signer.services.approval_ports import Permit
from signer.services.ports import Clock
from signer.storage.access import move_access_revision
from signer.storage.access_tables import group_members, groups, identity_people, people
from signer.storage.database import Database, retried
from signer.storage.log_transaction import logged
from signer.storage.permits import permitted
from signer.storage.tables import api_tokens
from signer.storage.user_rows import end_tokens, person_of, users_of
from signer.storage.user_tables import users

_MEMBERS = select(group_members.c.group_name, group_members.c.member)


class SqlPeopleStore:
    """``services.access_ports.PeopleStore`` and ``Directory`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def people(self) -> tuple[Person, ...]:
        """All by name, disabled ones too."""
        with self._database.snapshot() as connection:
            rows = connection.execute(select(people)).all()
            assigned, members = _assigned(connection), connection.execute(_MEMBERS).all()
        return tuple(_person(row, assigned, members) for row in sorted(rows, key=lambda row: row.name))

    def person(self, name: str) -> Person:
        """One; raises ``PersonNotFound``."""
        found = next((person for person in self.people() if person.name == name), None)
        if found is None:
            raise PersonNotFound(person=name)
        return found

    @retried
    def add_person(self, *, name: str, display: str, email: str | None, event: Event) -> Person:
        """Record a person; raises ``PersonNameTaken``."""
        row = {"name": name, "display": display, "email": email, "created_at": self._clock()}
        try:
            with logged(self._database, self._clock) as log:
                log.connection.execute(insert(people).values(row))
                move_access_revision(log.connection)
                log.tell(event)
        except IntegrityError as error:
            raise PersonNameTaken(person=name) from error
        return self.person(name)

    @retried
    def disable(self, name: str, event: Event) -> bool:
        """End what the person's identities prove; False where it was ended. Raises ``PersonNotFound``."""
        return self._set_disabled(name, event, disabled=True)

    @retried
    def enable(self, name: str, event: Event, *, permit: Permit | None = None) -> bool:
        """Let them prove again; False where they do. Raises ``PersonNotFound`` or ``AccessMovedError``."""
        return self._set_disabled(name, event, disabled=False, permit=permit)

    def _set_disabled(self, name: str, event: Event, *, disabled: bool, permit: Permit | None = None) -> bool:
        present = people.c.disabled_at.is_(None) if disabled else people.c.disabled_at.is_not(None)
        timestamp = self._clock() if disabled else None
        with logged(self._database, self._clock) as log:
            event = permitted(log, permit, event)
            _require_person(log.connection, name)
            changed = log.connection.execute(
                update(people).where(people.c.name == name, present).values(disabled_at=timestamp)
            )
            if changed.rowcount != 1:
                return False
            move_access_revision(log.connection)
            # Also where they are enabled: whoever keeps the states of tokens in memory looks at the users again.
            end_tokens(log.connection, users_of(log.connection, name), self._clock())
            log.tell(event)
        return True

    @retried
    def assign(self, identity: str, person: str, event: Event, *, permit: Permit | None = None) -> None:
        """Give an identity to a person.

        Raises ``PersonNotFound``, ``PersonDisabled``, ``IdentityAssigned`` or ``AccessMovedError``.
        """
        with logged(self._database, self._clock) as log:
            event = permitted(log, permit, event)
            if _require_person(log.connection, person).disabled_at is not None:
                raise PersonDisabled(person=person)
            holder = _holder(log.connection, identity)
            if holder is not None:
                raise IdentityAssigned(identity=identity, person=holder)
            log.connection.execute(insert(identity_people).values(identity=identity, person=person))
            move_access_revision(log.connection)
            log.tell(event)

    @retried
    def unassign(self, identity: str, event: Event) -> None:
        """Take it back; raises ``IdentityNotAssigned``."""
        with logged(self._database, self._clock) as log:
            taken = log.connection.execute(delete(identity_people).where(identity_people.c.identity == identity))
            if taken.rowcount != 1:
                raise IdentityNotAssigned(identity=identity)
            move_access_revision(log.connection)
            log.tell(event)

    def assigned(self) -> dict[str, str]:
        """The person of each identity that has one, by the identity's name."""
        with self._database.reading() as connection:
            return _assigned(connection)

    def groups(self) -> tuple[Group, ...]:
        """All by name."""
        with self._database.snapshot() as connection:
            rows, members = connection.execute(select(groups)).all(), connection.execute(_MEMBERS).all()
        return tuple(_group(row, members) for row in sorted(rows, key=lambda row: row.name))

    def group(self, name: str) -> Group:
        """One; raises ``GroupNotFound``."""
        found = next((group for group in self.groups() if group.name == name), None)
        if found is None:
            raise GroupNotFound(group=name)
        return found

    @retried
    def add_group(self, name: str, event: Event) -> Group:
        """Record a group; raises ``GroupNameTaken``."""
        try:
            with logged(self._database, self._clock) as log:
                log.connection.execute(insert(groups).values(name=name, created_at=self._clock()))
                move_access_revision(log.connection)
                log.tell(event)
        except IntegrityError as error:
            raise GroupNameTaken(group=name) from error
        return self.group(name)

    @retried
    def add_member(self, group: str, member: str, event: Event, *, permit: Permit | None = None) -> bool:
        """Let a principal be a member; False where it is.

        Raises ``GroupNotFound``, ``PersonNotFound`` or ``AccessMovedError``.
        """
        with logged(self._database, self._clock) as log:
            event = permitted(log, permit, event)
            _require_group(log.connection, group)
            if member.startswith(PERSON_PREFIX):
                _require_person(log.connection, member.removeprefix(PERSON_PREFIX))
            if log.connection.execute(_MEMBERS.where(*_is_member(group, member))).first() is not None:
                return False
            log.connection.execute(insert(group_members).values(group_name=group, member=member))
            move_access_revision(log.connection)
            log.tell(event)
        return True

    @retried
    def remove_member(self, group: str, member: str, event: Event) -> bool:
        """Let it be none; False where it is none. Raises ``GroupNotFound``."""
        with logged(self._database, self._clock) as log:
            _require_group(log.connection, group)
            removed = log.connection.execute(delete(group_members).where(*_is_member(group, member)))
            if removed.rowcount != 1:
                return False
            move_access_revision(log.connection)
            log.tell(event)
        return True

    def membership(self, identity: str, *, person: str | None = None) -> Membership:
        """Person and groups of an identity; raises ``CredentialsRejected`` where the person is disabled."""
        with self._database.snapshot() as connection:
            standing = _standing(connection, identity, person)
            if standing.person is not None:
                row = connection.execute(select(people).where(people.c.name == standing.person)).one_or_none()
                if row is None or row.disabled_at is not None:
                    raise CredentialsRejected
            return standing

    def standing(self, identity: str, *, person: str | None = None) -> Membership:
        """Person and groups of an identity, whether or not the person is disabled."""
        with self._database.snapshot() as connection:
            return _standing(connection, identity, person)


def _standing(connection: Connection, identity: str, person: str | None) -> Membership:
    name = person if person is not None else _holder(connection, identity)
    principals = [identity] if name is None else [identity, f"{PERSON_PREFIX}{name}"]
    found = connection.execute(_MEMBERS.where(group_members.c.member.in_(principals)))
    return Membership(person=name, groups=frozenset(row.group_name for row in found))


def _holder(connection: Connection, identity: str) -> str | None:
    kind, _, name = identity.partition(":")
    person: str | None = None
    if kind == KIND:
        person = connection.execute(select(api_tokens.c.person).where(api_tokens.c.name == name)).scalar()
    if kind == USER_KIND:
        return person_of(connection, name)
    assigned = select(identity_people.c.person).where(identity_people.c.identity == identity)
    return person if person is not None else connection.execute(assigned).scalar()


def _assigned(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(identity_people.c.identity, identity_people.c.person))
    found = {row.identity: row.person for row in rows}
    tokens = connection.execute(select(api_tokens.c.name, api_tokens.c.person).where(api_tokens.c.person.is_not(None)))
    found |= {f"{KIND}:{row.name}": row.person for row in tokens}
    own = connection.execute(select(users.c.email, users.c.person).where(users.c.person.is_not(None)))
    found |= {identity_name(row.email): row.person for row in own}
    return dict(sorted(found.items()))


def _require_person(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(select(people).where(people.c.name == name)).one_or_none()
    if row is None:
        raise PersonNotFound(person=name)
    return row


def _require_group(connection: Connection, name: str) -> None:
    if connection.execute(select(groups.c.name).where(groups.c.name == name)).first() is None:
        raise GroupNotFound(group=name)


def _is_member(group: str, member: str) -> tuple[Any, ...]:
    return group_members.c.group_name == group, group_members.c.member == member


def _person(row: Row[Any], assigned: dict[str, str], members: Iterable[Any]) -> Person:
    identities = tuple(identity for identity, person in assigned.items() if person == row.name)
    return Person(
        name=row.name,
        display=row.display,
        email=row.email,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        identities=identities,
        groups=tuple(sorted(each.group_name for each in members if each.member == f"{PERSON_PREFIX}{row.name}")),
    )


def _group(row: Row[Any], members: Iterable[Any]) -> Group:
    own = sorted(each.member for each in members if each.group_name == row.name)
    return Group(name=row.name, created_at=row.created_at, members=tuple(own))
