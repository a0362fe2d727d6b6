"""Key records in SQL. Each public method is one transaction; state changes are compare-and-swap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from hsm.algorithms import Algorithm
from signer.domain.events import Event, EventType, RecordedEvent
from signer.domain.keys import Key, KeyVersion, Origin, Purpose, Validity, VersionState, current_home, is_name
from signer.domain.timestamps import rfc3339
from signer.errors import (
    ActiveVersionExists,
    CertificateNotFound,
    KeyNameTaken,
    KeyNotFound,
    NextVersionExists,
    PairInUse,
    StateChanged,
)
from signer.services.approval_ports import Permit
from signer.services.ports import Certificate, Clock, NewKey, NewVersion, VersionChange
from signer.storage.access import access_revision, move_access_revision
from signer.storage.database import Database, retried
from signer.storage.event_reader import read_events
from signer.storage.log_transaction import logged, newest_on_record
from signer.storage.permits import permitted
from signer.storage.tables import certificates, keys, versions


class SqlKeyStore:
    """``services.ports.KeyStore`` on SQLAlchemy Core."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def all_keys(self) -> tuple[Key, ...]:
        """All keys by name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(keys).order_by(keys.c.name)).all()
            by_key: dict[int, list[Row[Any]]] = {row.id: [] for row in rows}
            for row in connection.execute(select(versions).order_by(versions.c.number)):
                if row.key_id in by_key:  # a key that was added between the two queries is left for next time
                    by_key[row.key_id].append(row)
        return tuple(_key(row, by_key[row.id]) for row in rows)

    def key(self, name: str) -> Key:
        """One key; raises ``KeyNotFound``."""
        with self._database.reading() as connection:
            return _load(connection, name)

    def key_at(self, name: str) -> tuple[Key, int]:
        """One key, and an ``access_revision`` that it is no older than; raises ``KeyNotFound``."""
        with self._database.reading() as connection:
            revision = access_revision(connection)
            return _load(connection, name), revision

    def access_revision(self) -> int:
        """The present revision of keys and access."""
        with self._database.reading() as connection:
            return access_revision(connection)

    @retried
    def add_key(self, key: NewKey, version: NewVersion, event: Event, *, permit: Permit | None = None) -> Key:
        """Record a key with its first, pending version; raises ``KeyNameTaken`` or ``AccessMovedError``."""
        try:
            with logged(self._database, self._clock) as log:
                event = permitted(log, permit, event)
                connection = log.connection
                _forget_unborn(connection, key.name)
                statement = insert(keys).returning(keys.c.id)
                row_id = connection.execute(
                    statement.values(
                        name=key.name,
                        purpose=key.purpose.value,
                        algorithm=key.algorithm.value,
                        tokens=list(key.tokens),
                        created_at=self._clock(),
                        created_by=key.created_by,
                        blind_sign=key.blind_sign or None,
                    )
                ).scalar_one()
                self._insert_version(connection, row_id, 1, version)
                move_access_revision(connection)
                log.tell(event)
                return _load(connection, key.name)
        except IntegrityError as error:
            raise KeyNameTaken(key=key.name) from error

    @retried
    def add_version(self, key: Key, version: NewVersion, event: Event, *, permit: Permit | None = None) -> Key:
        """Record the following version as pending; raises ``NextVersionExists`` or ``AccessMovedError``."""
        number = key.versions[-1].number + 1
        try:
            with logged(self._database, self._clock) as log:
                event = permitted(log, permit, event)
                connection = log.connection
                self._insert_version(connection, key.id, number, version)
                move_access_revision(connection)
                log.tell(replace(event, version=number))
                return _load(connection, key.name)
        except IntegrityError as error:
            raise self._version_conflict(key.name) from error

    @retried
    def change(
        self, key: Key, changes: Sequence[VersionChange], events: Sequence[Event], *, permit: Permit | None = None
    ) -> Key:
        """Make all changes or none; raises ``StateChanged`` where a version is not in its expected state, or
        ``AccessMovedError``.
        """
        try:
            with logged(self._database, self._clock) as log:
                connection = log.connection
                events = [permitted(log, permit, event) for event in events[:1]] + list(events[1:])
                _lock(connection, changes)
                for change in changes:
                    _swap_state(connection, key.name, change)
                move_access_revision(connection)
                for event in events:
                    log.tell(event)
                return _load(connection, key.name)
        except IntegrityError as error:
            raise self._change_conflict(key, changes) from error

    @retried
    def set_blind_sign(self, key: Key, event: Event, *, allowed: bool, permit: Permit | None = None) -> Key:
        """Let the key sign digests, or no longer; raises ``StateChanged`` or ``AccessMovedError``."""
        with logged(self._database, self._clock) as log:
            event = permitted(log, permit, event)
            as_it_was = keys.c.blind_sign.is_(True) if key.blind_sign else keys.c.blind_sign.is_(None)
            statement = update(keys).where(keys.c.id == key.id, as_it_was).values(blind_sign=allowed or None)
            if log.connection.execute(statement).rowcount != 1:
                raise StateChanged(key=key.name)
            move_access_revision(log.connection)
            log.tell(event)
            return _load(log.connection, key.name)

    @retried
    def add_certificate(self, key: Key, version_number: int, certificate: Certificate, event: Event) -> None:
        """Record a certificate; the newest one counts."""
        with logged(self._database, self._clock) as log:
            log.connection.execute(
                insert(certificates).values(
                    version_id=key.version(version_number).id,
                    self_signed=certificate.self_signed,
                    pem=certificate.pem,
                    chain_pem=certificate.chain_pem,
                    not_after=certificate.not_after,
                    created_at=certificate.created_at,
                )
            )
            log.tell(event)

    def certificate(self, key: Key, version_number: int) -> Certificate:
        """The newest certificate of the version; raises ``CertificateNotFound``."""
        query = (
            select(certificates)
            .where(certificates.c.version_id == key.version(version_number).id)
            .order_by(certificates.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise CertificateNotFound(key=key.name, version=version_number)
        return Certificate(
            pem=row.pem,
            chain_pem=row.chain_pem,
            self_signed=row.self_signed,
            not_after=row.not_after,
            created_at=row.created_at,
        )

    @retried
    def record(self, event: Event) -> None:
        """Record an event that changes no version."""
        with logged(self._database, self._clock) as log:
            log.tell(event)

    def events(self, *, after: int, limit: int, key: str | None) -> tuple[RecordedEvent, ...]:
        """Events with an id greater than ``after``, oldest first."""
        with self._database.reading() as connection:
            return read_events(connection, after=after, limit=limit, key=key)

    def newest_timestamp(self) -> datetime | None:
        """The newest time on record, of an event or a signature; after a correction of the clock, since then."""
        with self._database.reading() as connection:
            return _newest(connection)

    @retried
    def correct_clock(self, *, actor: str, reason: str) -> datetime | None:
        """Let the record go on from the present time, which a person vouches for, where it is ahead of it.

        Returns the newest time that was on record; None where it is not ahead, and nothing was done.
        """
        with logged(self._database, self._clock) as log:
            connection = log.connection
            ahead = connection.execute(_AHEAD, {"now": self._clock()}).all()
            now, newest = self._clock(), _newest(connection)
            if newest is None or newest <= now:
                return None
            # What was put on record stays; how late a version signed last is only drawn from it.
            connection.execute(
                update(versions).where(versions.c.id.in_([row.id for row in ahead])).values(last_signed_at=now)
            )
            log.tell(
                Event(
                    type=EventType.CLOCK_CORRECTED,
                    actor=actor,
                    key=None,
                    version=None,
                    before={
                        "newest": rfc3339(newest),
                        "signed": {f"{row.name}/{row.number}": rfc3339(row.last_signed_at) for row in ahead},
                    },
                    after={"newest": rfc3339(now), "reason": reason},
                )
            )
        return newest

    def check(self) -> None:
        """Raises ``DatabaseUnavailable`` or ``DatabaseRevisionMismatch``."""
        self._database.check_revision()

    def _insert_version(self, connection: Connection, key_id: int, number: int, version: NewVersion) -> None:
        connection.execute(
            insert(versions).values(
                key_id=key_id,
                number=number,
                state=VersionState.PENDING.value,
                origin=version.origin.value,
                cka_id=version.cka_id,
                tokens=list(version.tokens),
                home=None if version.home is None else list(version.home),
                created_at=self._clock(),
                not_before=version.validity.not_before,
                not_after=version.validity.not_after,
                signature_limit=version.validity.signature_limit,
            )
        )

    def _version_conflict(self, name: str) -> NextVersionExists | StateChanged:
        key = self.key(name)
        waiting = key.in_state(VersionState.NEXT) or key.in_state(VersionState.PENDING)
        if waiting is None:
            return StateChanged(key=name)
        return NextVersionExists(key=name, version=waiting.number, state=waiting.state.value)

    def _change_conflict(
        self, key: Key, changes: Sequence[VersionChange]
    ) -> ActiveVersionExists | PairInUse | StateChanged:
        active = self.key(key.name).active
        if active is not None and any(change.state is VersionState.ACTIVE for change in changes):
            return ActiveVersionExists(key=key.name, version=active.number)
        pinned = next((change.fields["fingerprint"] for change in changes if "fingerprint" in change.fields), None)
        return PairInUse(fingerprint=pinned) if pinned else StateChanged(key=key.name)


# By id, as every transaction locks the rows of versions.
_AHEAD = (
    select(versions.c.id, keys.c.name, versions.c.number, versions.c.last_signed_at)
    .join_from(versions, keys)
    .where(versions.c.last_signed_at > bindparam("now", type_=versions.c.last_signed_at.type))
    .order_by(versions.c.id)
    .with_for_update(of=versions)
)


def _newest(connection: Connection) -> datetime | None:
    signed = connection.execute(select(func.max(versions.c.last_signed_at))).scalar()
    return max((at for at in (newest_on_record(connection), signed) if at is not None), default=None)


def _forget_unborn(connection: Connection, name: str) -> None:
    """Remove a key all of whose pairs were never made: its name is free again. Its events stay."""
    row = connection.execute(select(keys.c.id).where(keys.c.name == name)).one_or_none()
    if row is None:
        return
    unborn = (versions.c.state == VersionState.DESTROYED.value) & versions.c.fingerprint.is_(None)
    born = connection.execute(select(versions.c.id).where(versions.c.key_id == row.id, ~unborn)).first()
    if born is None:
        connection.execute(delete(versions).where(versions.c.key_id == row.id))
        connection.execute(delete(keys).where(keys.c.id == row.id))


def _lock(connection: Connection, changes: Sequence[VersionChange]) -> None:
    """Take the rows by ascending id, as every transaction does; what is then done to them has an order of its own."""
    wanted = [change.version_id for change in changes]
    connection.execute(select(versions.c.id).where(versions.c.id.in_(wanted)).order_by(versions.c.id).with_for_update())


def _swap_state(connection: Connection, name: str, change: VersionChange) -> None:
    values: Mapping[str, Any] = {"state": change.state.value, **change.fields}
    result = connection.execute(
        update(versions)
        .where(versions.c.id == change.version_id, versions.c.state == change.expected.value)
        .values(**values)
    )
    if result.rowcount != 1:
        raise StateChanged(key=name)


def _load(connection: Connection, name: str) -> Key:
    # Whatever else a path holds, such as NUL, not every database takes as a value.
    row = connection.execute(select(keys).where(keys.c.name == name)).one_or_none() if is_name(name) else None
    if row is None:
        raise KeyNotFound(key=name)
    query = select(versions).where(versions.c.key_id == row.id).order_by(versions.c.number)
    return _key(row, connection.execute(query).all())


def _key(row: Row[Any], version_rows: Sequence[Row[Any]]) -> Key:
    first = tuple(row.tokens)
    key_versions = tuple(_version(version, first) for version in version_rows)
    return Key(
        id=row.id,
        name=row.name,
        purpose=Purpose(row.purpose),
        algorithm=Algorithm(row.algorithm),
        tokens=current_home(key_versions, first=first),
        created_at=row.created_at,
        created_by=row.created_by,
        versions=key_versions,
        blind_sign=bool(row.blind_sign),
    )


def _version(row: Row[Any], home: tuple[str, ...]) -> KeyVersion:
    return KeyVersion(
        id=row.id,
        number=row.number,
        state=VersionState(row.state),
        origin=Origin(row.origin),
        cka_id=row.cka_id,
        spki=row.spki,
        fingerprint=row.fingerprint,
        tokens=tuple(row.tokens),
        home=home if row.home is None else tuple(row.home),
        created_at=row.created_at,
        validity=Validity(not_before=row.not_before, not_after=row.not_after, signature_limit=row.signature_limit),
        signature_count=row.signature_count,
        last_signed_at=row.last_signed_at,
        disabled_from=VersionState(row.disabled_from) if row.disabled_from else None,
    )
