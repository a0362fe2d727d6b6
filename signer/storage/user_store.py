"""Users in SQL. Each change of a row that gives power is told in a leaf, and ends what it has to end with it.

The person of a user is in the user's own row, or is assigned like that of any identity; the row counts first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from signer.domain.events import Event
from signer.domain.users import User, UserSecrets, identity_name
from signer.errors import IdentityAssigned, PersonDisabled, PersonNotFound
from signer.errors.users import UserChanged, UserEmailTaken, UserNotFound
from signer.services.approval_ports import Permit
from signer.services.user_ports import NewUser
from signer.storage.access import move_access_revision
from signer.storage.access_tables import identity_people, people
from signer.storage.database import retried
from signer.storage.log_transaction import LogTransaction, logged
from signer.storage.login_store import SqlLogins
from signer.storage.permits import permitted
from signer.storage.user_rows import end_sessions, end_tokens, may_log_in, secrets_of, user_of
from signer.storage.user_tables import login_origins, users


@dataclass(frozen=True, slots=True)
class _Change:
    log: LogTransaction
    row: Row[Any]

    @property
    def connection(self) -> Connection:
        """Of the transaction."""
        return self.log.connection

    def set(self, **values: Any) -> None:
        """Other values in the row; access is another one from now on."""
        now = self.log.clock()
        self.connection.execute(update(users).where(users.c.id == self.row.id).values(updated_at=now, **values))
        move_access_revision(self.connection)


class SqlUserStore(SqlLogins):
    """``services.user_ports.UserStore`` on SQLAlchemy Core."""

    def users(self) -> tuple[User, ...]:
        """All by address, disabled ones too."""
        with self._database.reading() as connection:
            return tuple(sorted(map(user_of, connection.execute(select(users))), key=lambda user: user.email))

    def user(self, user_id: str) -> User:
        """One; raises ``UserNotFound``."""
        return self.secrets(user_id).user

    def named(self, email: str) -> User:
        """The one of this address; raises ``UserNotFound``."""
        with self._database.reading() as connection:
            row = connection.execute(select(users).where(users.c.email == email)).one_or_none()
        if row is None:
            raise UserNotFound(user=email)
        return user_of(row)

    def secrets(self, user_id: str) -> UserSecrets:
        """One, with what proves them; raises ``UserNotFound``."""
        with self._database.reading() as connection:
            return secrets_of(_required(connection, user_id))

    def bcrypt_cost(self) -> int | None:
        """The highest cost of the hashes of bcrypt on record; None: there are none."""
        highest = func.max(func.substr(users.c.password_hash, 5, 2))
        with self._database.reading() as connection:
            cost: str | None = connection.execute(select(highest).where(users.c.password_hash.like("$2%"))).scalar()
        return None if cost is None else int(cost)

    def login_secrets(self, email: str) -> UserSecrets | None:
        """Whoever has this address and may log in; None for nobody."""
        with self._database.snapshot() as connection:
            row = connection.execute(select(users).where(users.c.email == email)).one_or_none()
            return secrets_of(row) if row is not None and may_log_in(connection, row) else None

    @retried
    def add(self, new: NewUser, event: Event, *, permit: Permit | None = None) -> User:
        """Record a user; raises ``UserEmailTaken``, ``PersonNotFound``, ``PersonDisabled`` or ``IdentityAssigned``."""
        now = self._clock()
        row = {
            "id": new.id,
            "email": new.email,
            "person": new.person,
            "roles": list(new.roles),
            "password_hash": new.password_hash,
            "created_at": now,
            "updated_at": now,
        }
        try:
            with logged(self._database, self._clock) as log:
                event = permitted(log, permit, event)
                _require_person(log.connection, new)
                log.connection.execute(insert(users).values(row))
                if new.person is not None:
                    # Who can prove to be somebody decides of what may be done with groups.
                    move_access_revision(log.connection)
                log.tell(event)
        except IntegrityError as error:
            raise UserEmailTaken(email=new.email) from error
        return self.user(new.id)

    @retried
    def disable(self, user_id: str, event: Event) -> bool:
        """End all tokens, and let nobody log in; False where that was so. Raises ``UserNotFound``."""
        with self._changing(user_id) as change:
            if change.row.disabled_at is not None:
                return False
            now = self._clock()
            change.set(disabled_at=now)
            end_tokens(change.connection, [user_id], now)
            change.log.tell(event)
        return True

    @retried
    def enable(self, user_id: str, event: Event, *, permit: Permit | None = None) -> bool:
        """Let them log in again; False where they could. Raises ``UserNotFound``."""
        with self._changing(user_id) as change:
            event = permitted(change.log, permit, event)
            if change.row.disabled_at is None:
                return False
            change.set(disabled_at=None)
            end_tokens(change.connection, [user_id], self._clock())
            change.log.tell(event)
        return True

    @retried
    def delete(self, user_id: str, event: Event) -> None:
        """Forget the user, and end all tokens; raises ``UserNotFound``."""
        with self._changing(user_id) as change:
            end_tokens(change.connection, [user_id], self._clock())
            change.connection.execute(delete(login_origins).where(login_origins.c.user_id == user_id))
            change.connection.execute(delete(users).where(users.c.id == user_id))
            move_access_revision(change.connection)
            change.log.tell(event)

    @retried
    def set_roles(self, user_id: str, roles: tuple[str, ...], event: Event) -> bool:
        """Other roles; False where they are these. Raises ``UserNotFound``."""
        with self._changing(user_id) as change:
            if tuple(change.row.roles) == roles:
                return False
            change.set(roles=list(roles))
            change.log.tell(event)
        return True

    @retried
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
        """Another password, and the end of all sessions but ``spared``. Raises ``UserChanged`` or ``UserNotFound``."""
        with self._changing(user_id) as change:
            event = permitted(change.log, permit, event)
            if kept is not None and change.row.password_hash != kept:
                raise UserChanged(user=user_id)
            change.set(password_hash=password_hash)
            end_sessions(change.connection, user_id, self._clock(), spared=spared)
            change.log.tell(event)

    @retried
    def set_seed(self, user_id: str, sealed: bytes | None, event: Event, *, permit: Permit | None = None) -> None:
        """A seed that is not confirmed, or none; raises ``UserNotFound``."""
        with self._changing(user_id) as change:
            event = permitted(change.log, permit, event)
            change.set(totp_sealed=sealed, totp_confirmed_at=None, totp_last_step=None)
            change.log.tell(event)

    @retried
    def confirm_seed(self, user_id: str, sealed: bytes, step: int, event: Event) -> None:
        """From now on a code is asked for; raises ``UserChanged`` where the seed on record is another."""
        with self._changing(user_id) as change:
            kept = change.row.totp_sealed
            if kept is None or bytes(kept) != sealed or change.row.totp_confirmed_at is not None:
                raise UserChanged(user=user_id)
            change.set(totp_confirmed_at=self._clock(), totp_last_step=step)
            change.log.tell(event)

    @contextmanager
    def _changing(self, user_id: str) -> Iterator[_Change]:
        with logged(self._database, self._clock) as log:
            yield _Change(log, _required(log.connection, user_id))


def _required(connection: Connection, user_id: str) -> Row[Any]:
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise UserNotFound(user=user_id)
    return row


def _require_person(connection: Connection, new: NewUser) -> None:
    if new.person is None:
        return
    row = connection.execute(select(people.c.disabled_at).where(people.c.name == new.person)).one_or_none()
    if row is None:
        raise PersonNotFound(person=new.person)
    if row.disabled_at is not None:
        raise PersonDisabled(person=new.person)
    identity = identity_name(new.email)
    assigned = select(identity_people.c.person).where(identity_people.c.identity == identity)
    holder = connection.execute(assigned).scalar()
    if holder is not None and holder != new.person:
        raise IdentityAssigned(identity=identity, person=holder)
