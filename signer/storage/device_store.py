"""Devices and their keys in SQL.

1. Who changes a device locks the head of the log, then the device, then its keys; who only writes down that it asked,
   or that it is new, locks the device, then its keys. Two that meet a new identity at once are told apart by an index.
2. What a person decides, and what makes a key accepted, is a leaf. That a stranger has asked is none: strangers would
   fill the log. Such rows are bounded, and forgotten with time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from signer.domain.auth_requests import Freshness
from signer.domain.device_changes import Around, Change, new_device, pending_set, with_pending
from signer.domain.device_identity import DeviceIdentity
from signer.domain.device_keys import DevicePublicKey
from signer.domain.devices import AuthStatus, Device, DeviceStatus
from signer.domain.events import Event, EventType
from signer.domain.token_claims import TokenKind
from signer.errors import (
    DeviceLimitReached,
    DeviceNotFound,
    DeviceRefusal,
    DeviceRefused,
    DeviceTokenNotFound,
)
from signer.services.device_ports import DeviceLimits, DevicePage, DeviceQuery, Newcomer, Step
from signer.services.ports import Clock
from signer.storage.database import Database, retried
from signer.storage.device_notes import DeviceNotes, Note
from signer.storage.device_rows import (
    OF_ID,
    OF_IDENTITY,
    add_device,
    add_set,
    found,
    loaded,
    locked,
    status_now,
    touch_device,
    write_change,
)
from signer.storage.device_state import move_device_revision
from signer.storage.device_tables import FORMER, IS_PRESENT, auth_sets, devices
from signer.storage.log_transaction import logged
from signer.storage.token_tables import issued_tokens

HOUR = timedelta(hours=1)
FORGOTTEN_AT_ONCE = 50
MAX_ID = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """``domain.device_changes.Around`` in a transaction."""

    connection: Connection
    limit: int | None
    now: datetime

    def require_room(self) -> None:
        """As the port."""
        if self.limit is None:
            return
        accepted = select(func.count()).select_from(auth_sets).where(auth_sets.c.status == AuthStatus.ACCEPTED.value)
        if self.connection.execute(accepted).scalar_one() >= self.limit:
            raise DeviceLimitReached(limit=self.limit)

    def was_key_of(self, identity: DeviceIdentity, key: DevicePublicKey) -> bool:
        """As the port."""
        taken = auth_sets.c.status.in_([AuthStatus.REJECTED.value, AuthStatus.DISMISSED.value])
        query = (
            select(auth_sets.c.id)
            .join(devices, devices.c.id == auth_sets.c.device_id)
            .where(devices.c.identity_sha256 == identity.sha256, auth_sets.c.pubkey_sha256 == key.sha256)
            .where(taken | devices.c.decommissioning)
        )
        return self.connection.execute(query.limit(1)).first() is not None


class SqlDeviceStore:
    """``services.device_ports.DeviceRecords`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock, limits: DeviceLimits) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits
        self._notes = DeviceNotes(database=database, clock=clock, pending_lifetime=limits.pending_lifetime)

    def known(self, identity: DeviceIdentity) -> Device | None:
        """As the port."""
        with self._database.reading() as connection:
            return found(connection, OF_IDENTITY, identity.sha256, self._clock())

    def device(self, device_id: str) -> Device:
        """As the port."""
        if _is_id(device_id):
            with self._database.reading() as connection:
                device = found(connection, OF_ID, device_id, self._clock())
            if device is not None:
                return device
        raise DeviceNotFound(device=device_id)

    def devices(self, query: DeviceQuery) -> DevicePage:
        """As the port."""
        statement = select(devices).where(IS_PRESENT)
        if query.statuses:
            statement = statement.where(devices.c.status.in_([status.value for status in query.statuses]))
        if query.ids:
            statement = statement.where(devices.c.id.in_([each for each in query.ids if _is_id(each)]))
        page = statement.order_by(devices.c.status, devices.c.id).offset((query.page - 1) * query.per_page)
        with self._database.snapshot() as connection:
            listed = loaded(connection, page.limit(query.per_page + 1), self._clock())
        return DevicePage(devices=listed[: query.per_page], more=len(listed) > query.per_page)

    def count(self, status: DeviceStatus | None) -> int:
        """As the port."""
        statement = select(func.count()).select_from(devices).where(IS_PRESENT)
        if status is not None:
            statement = statement.where(devices.c.status == status.value)
        with self._database.reading() as connection:
            return int(connection.execute(statement).scalar_one())

    def has_set(self, auth_set: str) -> bool:
        """As the port."""
        if not _is_id(auth_set):
            return False
        shown = auth_sets.c.status != AuthStatus.DISMISSED.value
        with self._database.reading() as connection:
            return (
                connection.execute(select(auth_sets.c.id).where(auth_sets.c.id == auth_set, shown)).first() is not None
            )

    @retried
    def change(self, device_id: str, step: Step) -> Device:
        """As the port."""
        if not _is_id(device_id):
            raise DeviceNotFound(device=device_id)
        with logged(self._database, self._clock) as log:
            now = self._clock()
            device = locked(log.connection, devices.c.id == device_id, now=now)
            if device is None:
                raise DeviceNotFound(device=device_id)
            return self._changed(log.connection, log.tell, device, step, now)

    @retried
    def introduce(
        self, identity: DeviceIdentity, newcomer: Callable[[Around], Change], step: Step | None
    ) -> tuple[Device, bool]:
        """As the port."""
        with logged(self._database, self._clock) as log:
            now = self._clock()
            device = locked(log.connection, devices.c.identity_sha256 == identity.sha256, now=now)
            if device is not None:
                if step is None:
                    return device, False
                return self._changed(log.connection, log.tell, device, step, now), True
            made = newcomer(_Around(connection=log.connection, limit=self._limits.accepted, now=now))
            add_device(log.connection, made.device)
            for event in made.events:
                log.tell(event)
            return made.device, True

    def add_pending(self, newcomer: Newcomer) -> Device:
        """As the port."""
        try:
            return self._add_pending(newcomer)
        except IntegrityError:
            # Somebody met the same identity or key at the same moment, and it is known now.
            return self._add_pending(newcomer)

    def note(self, device: Device, auth_set: str, freshness: Freshness | None) -> None:
        """As the port."""
        self._notes.write(Note(device_id=device.id, auth_set=auth_set, freshness=freshness))

    @retried
    def revoke_token(self, jti: str, *, actor: str) -> None:
        """As the port."""
        if not _is_id(jti):
            raise DeviceTokenNotFound(jti=jti)
        now = self._clock()
        holds = (issued_tokens.c.revoked_at.is_(None), issued_tokens.c.expires_at > now)
        chosen = (issued_tokens.c.jti == jti, issued_tokens.c.kind == TokenKind.DEVICE.value, *holds)
        with logged(self._database, self._clock) as log:
            row = log.connection.execute(select(issued_tokens).where(*chosen)).one_or_none()
            if row is None:
                log.tell(_former_tokens_revoked(log.connection, jti, actor))
                return
            values = {"revoked_at": now, "revision": move_device_revision(log.connection)}
            log.connection.execute(update(issued_tokens).where(issued_tokens.c.jti == jti).values(values))
            log.tell(_token_revoked(row, actor))

    def was_key_of(self, identity: DeviceIdentity, key: DevicePublicKey) -> bool:
        """As the port."""
        with self._database.reading() as connection:
            around = _Around(connection=connection, limit=self._limits.accepted, now=self._clock())
            return around.was_key_of(identity, key)

    def holds(self, jti: str, auth_set: str) -> bool:
        """As the port."""
        chosen = (
            issued_tokens.c.jti == jti,
            issued_tokens.c.auth_set == auth_set,
            issued_tokens.c.revoked_at.is_(None),
        )
        with self._database.reading() as connection:
            return connection.execute(select(issued_tokens.c.jti).where(*chosen)).first() is not None

    def _changed(
        self, connection: Connection, tell: Callable[[Event], None], device: Device, step: Step, now: datetime
    ) -> Device:
        change = step(device, _Around(connection=connection, limit=self._limits.accepted, now=now))
        if change.events:
            write_change(connection, device, change, now)
            for event in change.events:
                tell(event)
        return change.device

    @retried
    def _add_pending(self, newcomer: Newcomer) -> Device:
        now = self._clock()
        until = now + self._limits.pending_lifetime
        with self._database.writing() as connection:
            _forget(connection, now)
            device = locked(connection, devices.c.identity_sha256 == newcomer.identity.sha256, now=now)
            if device is not None and device.with_key(newcomer.key) is not None:
                return device
            if not newcomer.vouched:
                self._require_place(connection, newcomer, now)
            if device is None:
                made = new_device(newcomer.identity, pending_set(newcomer.key, now=now, valid_until=until), now)
                add_device(connection, made, source=newcomer.source)
                return made
            after, added = with_pending(device, newcomer.key, now=now, valid_until=until, most=self._limits.keys)
            add_set(connection, device.id, added, source=newcomer.source)
            touch_device(connection, after)
            return after

    def _require_place(self, connection: Connection, newcomer: Newcomer, now: datetime) -> None:
        pending = auth_sets.c.status == AuthStatus.PENDING.value
        if _number(connection, pending) >= self._limits.pending:
            raise DeviceRefused(reason=DeviceRefusal.PENDING_LIMIT)
        if newcomer.source is None or not self._limits.per_address:
            return
        lately = (auth_sets.c.source == newcomer.source, auth_sets.c.created_at > now - HOUR)
        if _number(connection, *lately) >= self._limits.per_address:
            raise DeviceRefused(reason=DeviceRefusal.ADDRESS_LIMIT)


def _is_id(unverified: str) -> bool:
    """Whether a row could have this key: servers refuse texts that none has."""
    return len(unverified) <= MAX_ID and unverified.isascii() and unverified.isprintable()


def _number(connection: Connection, *conditions: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(auth_sets).where(*conditions)).scalar_one())


def _forget(connection: Connection, now: datetime) -> None:
    """Let a few keys go that were awaited long enough: pending ones are forgotten, preauthorised ones rejected."""
    awaited = auth_sets.c.status.in_([AuthStatus.PENDING.value, AuthStatus.PREAUTHORIZED.value])
    over = select(auth_sets.c.device_id).where(awaited, auth_sets.c.valid_until < now).limit(FORGOTTEN_AT_ONCE)
    # What another transaction holds now is left to the next one.
    free = select(devices.c.id).where(devices.c.id.in_(over)).with_for_update(skip_locked=True)
    for device_id in connection.execute(free).scalars().all():
        mine = (auth_sets.c.device_id == device_id, auth_sets.c.valid_until < now)
        connection.execute(delete(auth_sets).where(*mine, auth_sets.c.status == AuthStatus.PENDING.value))
        connection.execute(
            update(auth_sets)
            .where(*mine, auth_sets.c.status == AuthStatus.PREAUTHORIZED.value)
            .values(status=AuthStatus.REJECTED.value)
        )
        if connection.execute(select(auth_sets.c.id).where(auth_sets.c.device_id == device_id)).first() is None:
            connection.execute(delete(devices).where(devices.c.id == device_id))
        else:
            status = status_now(connection, device_id)
            connection.execute(update(devices).where(devices.c.id == device_id).values(status=status))


def _former_tokens_revoked(connection: Connection, jti: str, actor: str) -> Event:
    """Let none of the tokens hold that another server issued to this set: all of them have its id."""
    former = (auth_sets.c.id == jti, auth_sets.c.revision == FORMER)
    row = connection.execute(select(auth_sets.c.device_id).where(*former).with_for_update()).one_or_none()
    if row is None:
        raise DeviceTokenNotFound(jti=jti)
    revision = move_device_revision(connection)
    connection.execute(update(auth_sets).where(*former).values(revision=revision))
    return Event(
        type=EventType.DEVICE_TOKEN_REVOKED,
        actor=actor,
        key=None,
        version=None,
        before={},
        after={"jti": jti, "device": row.device_id, "auth_set": jti},
    )


def _token_revoked(row: Any, actor: str) -> Event:
    return Event(
        type=EventType.DEVICE_TOKEN_REVOKED,
        actor=actor,
        key=None,
        version=None,
        before={},
        after={"jti": row.jti, "device": row.subject, "auth_set": row.auth_set},
    )
