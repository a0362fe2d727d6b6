"""Users of another server in SQL: what of them is on record; all new ones in one transaction, with a leaf for each."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, insert, or_, select

from signer.domain.events import EventType
from signer.domain.user_events import user_event
from signer.domain.user_lists import ListedUser, UserOutcome, UserProblem
from signer.domain.users import identity_name
from signer.services.ports import Clock
from signer.services.user_ports import NewUser
from signer.storage.access_tables import identity_people
from signer.storage.database import Database, retried
from signer.storage.device_tables import FORMER
from signer.storage.log_transaction import logged
from signer.storage.user_tables import users


class SqlUserImport:
    """``services.user_import.UserImportRecords`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def placed(self, listed: Sequence[ListedUser]) -> list[UserOutcome | UserProblem]:
        """As the port."""
        with self._database.snapshot() as connection:
            return [_placed(connection, each.id, each.email) for each in listed]

    @retried
    def take(self, new: Sequence[NewUser], *, actor: str, list_sha256: str) -> int:
        """As the port."""
        with logged(self._database, self._clock) as log:
            now = self._clock()
            taken = [each for each in new if _placed(log.connection, each.id, each.email) is UserOutcome.IMPORTED]
            for each in taken:
                row = {
                    "id": each.id,
                    "email": each.email,
                    "roles": list(each.roles),
                    "password_hash": each.password_hash,
                    "created_at": now,
                    "updated_at": now,
                    "revision": FORMER,
                }
                log.connection.execute(insert(users).values(row))
                roles, kind = list(each.roles), EventType.USER_IMPORTED
                log.tell(user_event(kind, each, actor=actor, roles=roles, list_sha256=list_sha256))
        return len(taken)


def _placed(connection: Connection, user_id: str, email: str) -> UserOutcome | UserProblem:
    near = select(users.c.id, users.c.email).where(or_(users.c.id == user_id, users.c.email == email))
    rows = connection.execute(near).all()
    if any(row.id == user_id and row.email != email for row in rows):
        return UserProblem.ID_TAKEN
    if any(row.id != user_id for row in rows):
        return UserProblem.EMAIL_TAKEN
    if rows:
        return UserOutcome.KNOWN
    of_a_person = select(identity_people.c.person).where(identity_people.c.identity == identity_name(email))
    return UserOutcome.IMPORTED if connection.execute(of_a_person).first() is None else UserProblem.OF_A_PERSON
